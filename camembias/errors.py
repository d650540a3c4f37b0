"""The error tree. Every branch is a mistake that a user can mend: the command line prints one line and exits with 2.

CamembiasError
├── InputError        a file, column, label or option that cannot be used
├── BundleError       a model bundle that is missing, incomplete, damaged or mixed from two models
├── StoreError        a store that is missing, locked, full, or holds another model
│   ├── StoreBusy     a disk that is full, or a lock: nothing is wrong with the command, try it later (exit code 75)
│   └── PartMissing   a part that was moved or erased: trying again does not bring it back
├── BrokerError       the message queue cannot be reached
├── QueryError        SQL that is refused or wrong
└── MissingExtra      a stage whose packages are not installed

Anything else that escapes is our own bug, and keeps its traceback.
"""


class CamembiasError(Exception):
    """Base of all errors that carry a one-line message with the bad value, what is accepted and the remedy."""

    exit_code = 2


class InputError(CamembiasError):
    pass


class BundleError(CamembiasError):
    pass


class StoreError(CamembiasError):
    pass


class StoreBusy(StoreError):  # noqa: N818 - reads as what it is
    exit_code = 75  # EX_TEMPFAIL of sysexits.h: a scheduler may run the command again as it is


class PartMissing(StoreError):  # noqa: N818 - reads as what it is
    pass


class BrokerError(CamembiasError):
    pass


class QueryError(CamembiasError):
    pass


class MissingExtra(CamembiasError):  # noqa: N818 - reads as what it is
    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"'{package}' is not installed; this command needs it: pip install 'camembias[{extra}]'")
