"""What the columns of a table of tweets are called, where nobody says, in small letters or capitals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

GUESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "full_text", "tweet", "texte", "content", "contenu"),
    "label": ("label", "topic", "category", "class", "classe", "étiquette", "etiquette", "thème", "theme", "catégorie"),
    "id": ("tweet_id", "id", "id_str"),
    "author": ("author", "username", "author_id", "screen_name", "user_screen_name", "user", "auteur", "compte"),
    "time": ("created_at", "datetime", "date", "timestamp", "created", "time", "local_time", "date_heure"),
}


def guesses(role: str, names: Iterable[str]) -> tuple[str, ...]:
    """The columns among `names` that may play the role, the likeliest first."""
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(name.strip().lower(), []).append(name)
    return tuple(name for guess in GUESSES[role] for name in sorted(known.get(guess, ()), reverse=True))


def guess(role: str, names: Iterable[str]) -> str | None:
    return next(iter(guesses(role, names)), None)
