"""What a person may have meant by a name that is none."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """E.g. "; did you mean 'tiles'?", the end of an error's sentence; empty where no name is alike."""
    alike = get_close_matches(name, list(known), 1)
    return f"; did you mean {alike[0]!r}?" if alike else ""
