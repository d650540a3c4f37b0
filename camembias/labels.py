"""The ordered label set of a model. The only place where the four default labels are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from camembias.errors import InputError

DEFAULT_LABELS = ("avion", "décroissance", "nucléaire", "viande")
OTHER_LABEL = "autre"


@dataclass(frozen=True, slots=True)
class Labels:
    """Label names in the order of the model's logits: position is id."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise InputError(f"labels {list(self.names)}: a classifier needs at least two, all different")

    @classmethod
    def of(cls, values: Iterable[str]) -> Labels:
        """The sorted distinct labels of a training table."""
        return cls(tuple(sorted(set(values))))

    def __len__(self) -> int:
        return len(self.names)

    def id(self, name: str) -> int:
        """Position of `name`. Raises InputError for a label that the model does not know."""
        try:
            return self.names.index(name)
        except ValueError:
            raise InputError(f"unknown label '{name}'; this model knows: {', '.join(self.names)}") from None

    def ids(self, names: Sequence[str]) -> list[int]:
        return [self.id(name) for name in names]
