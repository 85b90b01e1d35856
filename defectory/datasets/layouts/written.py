"""Documents that are not as the tool writes them which they seem to be of: refused by their name."""

from collections.abc import Iterator
from contextlib import contextmanager

from defectory.errors import InvalidInput

# What it raises to take a value for what it is not: no such key, no such place, no number, a number that is too large.
_OTHERWISE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextmanager
def written_by(tool: str, where: str, right: str = "") -> Iterator[None]:
    """InvalidInput for whatever goes wrong while a document is taken apart.

    Args:
        tool: that writes such documents. where: the document, and the place in it.
        right: what a document of the tool has.
    """
    try:
        yield
    except _OTHERWISE as error:
        more = f"; {right}" if right else ""
        raise InvalidInput(f"{where} is not as {tool} writes it: {type(error).__name__} {error}{more}") from error
