"""Tweet text: one normal form, one way to cut it into words, and a coarse kind for each word.

Everything that counts or stores words goes through here, so that a word has the same name and the same
character offsets in training, in a batch and in a report. The rules are typographic, with no lexicon (but a few
units and suffixes) and no tagger: they do not know that `fils` has two meanings, nor that `allons-nous` asks where
`aidez-nous` orders.
"""

import html
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache
from hashlib import sha256
from html.entities import html5
from typing import NamedTuple

import regex  # type: ignore[import-untyped, unused-ignore]  # its stubs are a separate package

NORMALISER_VERSION: int = 1  # part of a bundle's identity: raise it whenever `normalise` answers differently

_HYPHEN = r"[-\u2010\u2011]"
_APOSTROPHE = r"['\u2019\u02bc]"
_INNER = r"[\p{L}\p{M}\p{N}]"  # what may follow the first letter: combining marks stay with their letter

# Copyright, arrows and the like are emoji only when U+FE0F says so; the heart and the sun need no such help.
_PICTURE = (
    r"(?:(?![©®™ℹ‼⁉〰〽↔-↙Ⓜ](?!\uFE0F))\p{Extended_Pictographic}[\uFE0E\uFE0F]?"
    r"[\U0001F3FB-\U0001F3FF]?(?:[\U000E0020-\U000E007E]+\U000E007F)?)"
)
_EMOJI = (
    rf"(?:{_PICTURE}(?:\u200D{_PICTURE})*+|[0-9#*]\uFE0F?\u20E3"
    r"|[\U0001F1E6-\U0001F1FF]{1,2}|[\U0001F3FB-\U0001F3FF])"
)
_HOST = rf"{_INNER}(?:[\p{{L}}\p{{M}}\p{{N}}._-]*{_INNER})?"
# A path ends before closing punctuation, quotes and emoji: `(https://t.co/abc).` keeps bracket and full stop.
_PATH = r"(?::[0-9]+)?(?:[/?#][^\s\x1c-\x1f<>\"«»“”\p{Extended_Pictographic}]*(?<![.,;:!?)\]'\u2019…]))?+"
_SCHEME = r"(?i:https?://)"
_LOGIN = r"(?:[^\s\x1c-\x1f/?#@]++@)?"
_BARE = rf"(?i:www\.{_INNER}|pic\.twitter\.com(?!{_INNER}))"  # these two are links without a scheme
_LINK = rf"(?:{_SCHEME}{_LOGIN}|(?={_BARE})){_HOST}{_PATH}"
# A host without a scheme, of the endings that no sentence begins with: `fini.me` is two words.
_DOMAIN = rf"(?:[\p{{L}}\p{{N}}-]{{1,63}}+\.){{1,4}}(?:fr|com|org|net|eu)(?!{_INNER}){_PATH}"
_TAG = r"[\p{L}\p{N}_][\p{L}\p{M}\p{N}_]*+"
_MONEY = r"[€$£¥]"
# `km/h`, `€/kWh`: the one place where a list of units decides, because `et/ou` is three words.
_PER = r"/(?:h|s|j|an|mois|jour|semaine|kg|km[²2]?|ha|hab|[lL]|m[²³23]|[kMG]Wh)(?![\p{L}\p{N}])"
_RATE = rf"(?:[kcmMGTµ]?[mgtlLWho]|[kMGT]Wh|{_MONEY}|hab){_PER}"
_NUMBER = (
    rf"\p{{N}}+(?:[.,:/]\p{{N}}+)*+{_INNER}*+(?:(?<=[hj])/\p{{N}}+(?!{_INNER}))?+"
    rf"(?:{_MONEY}(?:\p{{N}}{{2}}(?!\p{{N}}))?+|[%‰]|°[CF]?)?+(?:{_PER})?+\p{{M}}*+"
)
_UNIT = rf"(?:{_RATE}|(?:[kKM]|[Mm]ds?){_MONEY}|°[CF](?!{_INNER})|(?i:n)[°º])"
_INITIALS = rf"(?:\p{{L}}\.-?){{2,12}}+(?:\p{{L}}(?!{_INNER}|\.|{_APOSTROPHE}))?+"  # `S.N.C.F.`, `s.v.p`
_SMILEY = (
    rf"(?:<3+(?!\p{{N}})|\^_+\^|[:;=][-'^]?(?:\)+|[(\[|*]+(?!{_INNER}))"
    rf"|(?<![\p{{L}}\p{{N}}])[:;=][-'^]?[DPpO](?!{_INNER})|[-=]>|<[-=])"  # and arrows
)
_ELISION = rf"(?i:[ldjnsmtcy]|(?:jus|lors|puis|quoi)?qu){_APOSTROPHE}"
_STOP = rf"(?!{_INNER}|(?:{_HYPHEN}|{_APOSTROPHE})[\p{{L}}\p{{N}}])"
_PRONOUN = rf"{_HYPHEN}(?i:(?:t[-\u2010\u2011'\u2019])?(?:je|tu|ils?|elles?|on|[nv]ous|ce)){_STOP}"
# Nouns that end like an inverted verb. `presqu'île` and `prud'hommes` need no list: no elision begins them.
_NOUN = rf"(?i:rendez-vous|garde-(?:à|a\u0300?)-vous|en-dira-t-on|chez-[nv]ous|entre-nous){_STOP}"
# Both genders in one word: `étudiant·e·s`, `étudiant.e.s`, `étudiant(e)s`; and `R&D`.
_FEMININE = r"(?i:e|ne|te|le|se|ve|re|fe|rice|trice|euse|ère|esse)"
_GENDERS = (
    rf"[·•‧∙⋅]\p{{L}}{_INNER}*+|\((?:{_FEMININE}|(?i:e?s|x))\)(?i:s?)(?!{_INNER})"
    rf"|(?<=\p{{Lu}})&\p{{Lu}}{_INNER}*+"
    rf"|\.(?:{_FEMININE}\.(?i:s)|(?i:es?|t?rices?|euses?))(?!{_INNER})"
)
_COMPOUND = (
    rf"(?:{_NOUN}|\p{{L}}{_INNER}*+"
    rf"(?:(?!{_PRONOUN}){_HYPHEN}[\p{{L}}\p{{N}}]{_INNER}*+|{_APOSTROPHE}\p{{L}}{_INNER}*+|{_GENDERS})*+)"
)

# Order matters: a keycap before the number or hashtag it looks like, an elision before the compound.
_WORDS = regex.compile(
    rf"{_LINK}|{_DOMAIN}|{_ELISION}|{_UNIT}|{_INITIALS}|{_COMPOUND}|[@＠]{_TAG}|{_SMILEY}|{_EMOJI}\p{{M}}*+|[#＃]{_TAG}|{_NUMBER}"
    rf"|(?<=[\p{{L}}\p{{M}}]){_PRONOUN}|([\p{{P}}\p{{S}}])\1*+\p{{M}}*+|(?s:.)\p{{M}}*+"
)
_KINDS = regex.compile(
    rf"(?P<link>{_LINK}|{_DOMAIN})|(?P<handle>[@＠]{_TAG})|(?P<emoji>{_EMOJI}\p{{M}}*)|(?P<hashtag>[#＃]{_TAG})"
    rf"|(?P<number>\p{{N}}.*)|(?P<elision>{_ELISION})|(?P<function>{_PRONOUN})|(?P<word>\p{{L}}.*)",
    regex.DOTALL,
)
# The last word of a retweet that was cut after so many characters, with the ellipsis that says so.
_CUT = regex.compile(r"[\p{L}\p{N}_](?:…|\.\.\.)$")
KINDS = ("handle", "hashtag", "link", "emoji", "number")  # that a model may use whichever word of them it is
KIND_NAMES = {f"<{name}>": name for name in KINDS}  # no word is written so: `words` cuts it up
_ENTITY = regex.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);")
_INVISIBLE = regex.compile(rf"({_EMOJI})|[\p{{Cc}}\p{{Default_Ignorable_Code_Point}}\uFFF9-\uFFFB]")
_LINKS = regex.compile(
    rf"(?P<glue>(?<=[\p{{L}}\p{{N}}]))?(?P<scheme>{_SCHEME}){_LOGIN}(?i:www\.)*+(?P<host>{_HOST}){_PATH}"
    rf"|(?<![\p{{L}}\p{{N}}@./])(?={_BARE})(?P<host>{_HOST}){_PATH}"
)

# Closed classes only. Forms that are as often a noun (`été`, `avions`) and negation beyond `ne` are left out.
_FUNCTION = frozenset(
    """
    le la les un une des du de d l au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre nos votre
    vos leur leurs quel quelle quels quelles chaque plusieurs quelques aucun aucune tout toute tous toutes je
    tu il elle on nous vous ils elles me te se moi toi lui soi eux y en ça ca cela ceci c j celui celle ceux
    celles qui que quoi dont où lequel laquelle lesquels lesquelles duquel auquel à dans par pour sur sous
    avec sans chez entre vers contre depuis pendant avant après dès jusque malgré selon parmi hors durant
    envers via devant derrière et ou mais donc or ni car si comme quand lorsque puisque quoique ne suis es
    est sommes êtes sont étais était étions étiez étaient serai seras sera serons serez seront serais serait
    seraient soit sois soient être étant fut furent ai as a avons avez ont avais avait avaient aurai auras
    aura aurons aurez auront aurais aurait auraient aie ait aient avoir ayant eu
    """.split()  # noqa: SIM905
)


class Word(NamedTuple):
    """One word of a text; `start` and `stop` are character offsets, stop exclusive."""

    word: str  # lower-cased and composed (NFC): the name under which the word is counted
    surface: str  # exactly text[start:stop]
    start: int
    stop: int


def normalise(text: str) -> str:
    """The normal form of any string; idempotent, and total: lone surrogates become U+FFFD.

    Links keep scheme and host, because a shortener's path never occurs twice. Handles, hashtags, emoji, case
    and accents stay. It does not mend misspellings, mojibake or compatibility characters (`ﬁ`, `²`).
    """
    # Unescaping, composing and dropping characters can each make work for the others: go on until none has.
    while (once := _normalise_once(text)) != text:
        text = once
    return text


def _normalise_once(text: str) -> str:
    if not text.isascii():
        # A surrogate pair read as two characters becomes the character it stands for, a lone one U+FFFD.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = text.replace("\u2019", "'").replace("\u02bc", "'")
    if "&" in text:
        text = _ENTITY.sub(_unescape, text)
    text = " ".join(text.split())  # before control characters go: tabs and newlines separate words
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub(r"\1", text)
    text = unicodedata.normalize("NFC", text)
    return _LINKS.sub(_shorten, text) if "." in text or "/" in text else text


def _unescape(entity: "regex.Match[str]") -> str:
    # Whole names only: html.unescape alone would also read `&copy` in `&copyright;`.
    name = entity[0][1:]
    return html.unescape(entity[0]) if name[0] == "#" else html5.get(name, entity[0])


def _shorten(link: "regex.Match[str]") -> str:
    space = "" if link["glue"] is None else " "  # `voirhttps://t.co/x`: a link is a word of its own
    return f"{space}{link['scheme'] or ''}{link['host']}".lower()


def printable(text: str, keep: str = "\u200d") -> str:
    """Without what a terminal or a page would obey: control characters and bidi overrides become U+FFFD.

    Emoji sequences stay whole; spaces that are not in `keep` become plain ones.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else " " if unicodedata.category(one) == "Zs" else "\ufffd"
        for one in text
    )


def text_hash(normalised: str) -> str:
    """Short name of a normalised text: 16 hexadecimal digits of its SHA-256. It does not normalise."""
    return sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def words(text: str) -> list[Word]:
    """The words of any string, in order: together they cover every character but whitespace exactly once.

    A handle, hashtag, link, emoji sequence, smiley, number with its unit, date, initials (`S.N.C.F.`), hyphenated
    compound, word of both genders (`étudiant·e·s`), elision (`l'`), inverted subject pronoun (`-t-il`) and a run of
    one punctuation mark are one word each. What an ellipsis leaves of the last word of a retweet (`RT @a: dans la r…`)
    is no word: it is one piece with the ellipsis, and punctuation. It does not know multi-word expressions
    (`parce que`), numbers or units written with spaces (`10 km` is two), addresses of mail, or the point of an
    abbreviation (`M.` is two).
    """
    found: list[Word] = []
    at = 0
    new = tuple.__new__  # a third of the time goes into Word's own constructor otherwise
    for chunk in text.split():  # no word holds whitespace, and chunks recur: each is cut once
        at = text.index(chunk, at)
        for word, surface, start, stop in (_cut if len(chunk) <= _RECURS else _cut.__wrapped__)(chunk):
            found.append(new(Word, (word, surface, at + start, at + stop)))
        at += len(chunk)
    if text.startswith("RT @") and len(found) > 1 and _CUT.search(text, found[-2].start, found[-1].stop):
        surface = text[found[-2].start : found[-1].stop]
        found[-2:] = [Word(unicodedata.normalize("NFC", surface.lower()), surface, found[-2].start, found[-1].stop)]
    return found


def with_kinds(names: Iterable[str], outside: Collection[str] = ()) -> set[str]:
    """These words, and the name of each kind (`<hashtag>`) that one of them is of which is not `outside`."""
    held = set(names)
    return held | {f"<{found}>" for name in held if name not in outside and (found := kind(name)) in KINDS}


def members(name: str, names: Iterable[str], outside: Collection[str] = ()) -> set[str]:
    """The words of `names` that `name` stands for: itself, or all of a kind (`<hashtag>`) but those `outside`."""
    wanted = KIND_NAMES.get(name)
    if wanted is None:
        return {name}
    return {word for word in names if word not in outside and kind(word) == wanted}


def as_word(text: str) -> str | None:
    """The word that a person wrote, as it is counted in tweets; None where there is a space in it.

    What is cut up here may be one word in a tweet, where capitals and neighbours tell: `r&b`, `-t-il`.
    """
    whole = normalise(text)
    if whole in KIND_NAMES:
        return whole
    found = words(whole)
    if len(found) == 1:
        return found[0].word
    return whole.lower() if len(whole.split()) == 1 else None


_RECURS = 100  # characters; what is longer hardly recurs, and would fill the memory


@lru_cache(maxsize=1 << 17)
def _cut(chunk: str) -> tuple[tuple[str, str, int, int], ...]:
    cut = []
    for match in _WORDS.finditer(chunk):
        surface = match[0]
        cut.append((unicodedata.normalize("NFC", surface.lower()), surface, match.start(), match.end()))
    return tuple(cut)


def word_of_character(text: str, spans: list[Word]) -> list[int]:
    """For each character of `text`, the index of its word in `spans` (which `words(text)` gave).

    Whitespace belongs to the word that follows, since SentencePiece pieces carry their leading space; at the
    end of the text it belongs to the last word. Without any word every character answers -1.
    """
    owner: list[int] = []
    for index, span in enumerate(spans):
        owner += [index] * (span.stop - len(owner))
    return owner + [len(spans) - 1] * (len(text) - len(owner))


@lru_cache(maxsize=1 << 16)
def kind(word: str) -> str:
    """Coarse kind of a word: handle, hashtag, link, emoji, number, punctuation, elision, function or word.

    The name of a kind itself (`<hashtag>`) is of the kind `kind`, and what a cut left of a word is punctuation.
    It sees the form alone: `son` is a function word also where it is a noun. Symbols count as punctuation.
    """
    word = word.lower()
    if word in _FUNCTION:
        return "function"
    if word in KIND_NAMES:
        return "kind"
    if _CUT.search(word):
        return "punctuation"
    match = _KINDS.fullmatch(word)
    return match.lastgroup if match else "punctuation"
