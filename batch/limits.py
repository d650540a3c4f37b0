"""How many refused rows a job bears."""

from __future__ import annotations

from dataclasses import dataclass

from camembias.errors import InputError

_ENOUGH = 1000  # rows before a percentage means anything, unless the input ends first


class TooManyRejects(InputError):  # noqa: N818 - reads as what it is
    pass


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """`count` rows, or a `share` of the rows read."""

    given: str
    count: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, given: str) -> RejectLimit:
        """Of "500" or "2%" or "0.5%". Raises InputError for anything else."""
        try:
            if given.endswith("%"):
                share = float(given[:-1]) / 100
                if 0 <= share <= 1:
                    return cls(given, share=share)
            elif (count := int(given)) >= 0:
                return cls(given, count=count)
        except ValueError:
            pass
        raise InputError(f"--max-rejects '{given}': give a number of rows, such as 500, or a share, such as 2%")

    def passed(self, rejects: float, rows: float, ended: bool = False) -> bool:
        if self.count is not None:
            return rejects > self.count
        return self.share is not None and (ended or rows >= _ENOUGH) and rejects > self.share * rows
