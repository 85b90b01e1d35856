"""What can go wrong, without transport: one tree, mapped to gRPC status codes in one table (`serving/status.py`).

DefectoryError
├── InvalidInput          a field, file or setting is wrong; names it and says what would be right
├── NotFound              the dataset, model, object or operation does not exist
├── AlreadyExists         the name or request id is taken by something else
├── FailedPrecondition    the request is fine, the system's state is not (a dataset leaks)
│   ├── WeightsMissing    there are no ImageNet weights to start from
│   ├── NotMade           there is nothing that images could be made of, or whoever makes them did not learn it
│   └── NotServed         this process does not answer such calls, another one does
├── Refused               not allowed (a URI outside the store's root, a file closed to us, a token without the scope)
│   └── Unauthenticated   nobody knows who asks: no token, or a wrong one
├── Corrupted             stored bytes are not what was written
├── Exhausted             a limit or the disk is full
├── Unavailable           a store or service does not answer; trying again may help
│   └── Expired           the caller's deadline has passed
└── Cancelled             somebody asked for it to stop
"""

from collections.abc import Iterable, Mapping


class DefectoryError(Exception):
    """Base of all errors meant for the caller: the message says what happened to which thing, and what to do.

    Args:
        message: one sentence for a person.
        fields: of what the caller sent, field path -> what is wrong with it and what would be right.
    """

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class InvalidInput(DefectoryError):
    """Input that can be mended by the caller."""


class NotFound(DefectoryError):
    """Something named does not exist."""


class AlreadyExists(DefectoryError):
    """The name is taken by something else."""


class FailedPrecondition(DefectoryError):
    """The state of the system forbids it."""


class WeightsMissing(FailedPrecondition):
    """There are no ImageNet weights to start from; one can do without them."""


class NotMade(FailedPrecondition):
    """No image could be made of what there is; whoever can do without them may go on."""


class NotServed(FailedPrecondition):
    """Who was asked does not serve that call, as it was started; the message says who does."""


class Refused(DefectoryError):
    """The caller may not do this."""


class Unauthenticated(Refused):
    """Who asks has shown no token that is known."""


class Corrupted(DefectoryError):
    """Stored bytes fail their checksum or format."""


class Exhausted(DefectoryError):
    """A quota, a queue or a disk is full.

    Args:
        message: one sentence for a person.
        retry_after_s: after how many seconds trying again makes sense, where that is known.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(DefectoryError):
    """A store or a service does not answer."""


class Expired(Unavailable):
    """The caller's deadline has passed."""


class Cancelled(DefectoryError):
    """The work was stopped on request."""


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names for a message: the first different ones and how many more there are; "" for none. An empty one is seen."""
    different = list(dict.fromkeys(names))
    shown = ", ".join(name if name.strip() else repr(name) for name in different[:most])
    return shown + (f" and {len(different) - most} more" if len(different) > most else "")
