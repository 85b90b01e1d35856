"""What a person may have meant by a name that is none."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches

MOST = 3  # names that are said


def did_you_mean(name: str, known: Iterable[str], behind: Callable[[str], bool] = lambda _: False) -> str:
    """E.g. "; did you mean 'tiles'?", the end of an error's sentence; empty where no name is alike.

    Of "tiles", all that begin with "tiles." are alike; else the one that is most alike.

    Args:
        behind: whether a name is one that people hardly ever mean: others come first.
    """
    known = sorted(known)
    within = [one for one in known if one.startswith(f"{name}.")]
    alike = sorted(within or get_close_matches(name, known, MOST), key=behind)  # stable: the most alike stays first
    first, *more = [repr(one) for one in (alike[:MOST] if within else alike[:1])] or [""]
    return (
        f"; did you mean {', '.join([first, *more[:-1]])}{''.join(f' or {one}' for one in more[-1:])}?" if first else ""
    )


def one_of(name: str, known: Iterable[str]) -> str:
    """E.g. "use paper, quick, demo; did you mean 'quick'?": what would be right in the place of a name that is none."""
    names = list(known)
    return f"use {', '.join(names)}{did_you_mean(name, names)}"
