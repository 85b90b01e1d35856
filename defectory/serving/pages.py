"""Pages of a list, as AIP-158 asks for: a size, an opaque token, an empty token on the last page."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from defectory.errors import InvalidInput

Item = TypeVar("Item")
DEFAULT_SIZE, MAX_SIZE = 100, 1000


def page(items: Sequence[Item], size: int, token: str) -> tuple[Sequence[Item], str]:
    """(the page's items, the token of the next page).

    Args:
        size: at most so many, 0 to 1000; 0 means 100.
        token: empty for the first page, else what the page before gave.

    Raises:
        InvalidInput: a size out of range, or a token that no page gave.
    """
    if not 0 <= size <= MAX_SIZE:
        right = f"use 0 to {MAX_SIZE}"
        raise InvalidInput(f"page_size {size}: {right}", {"page_size": right})
    start = _offset(token) if token else 0
    end = start + (size or DEFAULT_SIZE)
    return items[start:end], base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else ""


def _offset(token: str) -> int:
    try:
        start = int(base64.urlsafe_b64decode(token.encode()).decode("ascii"))
        if start < 0:
            raise ValueError(f"{start} is before the first page")
        return start
    except (ValueError, binascii.Error) as error:
        right = "use the next_page_token of the page before"
        raise InvalidInput(f"page_token {token[:40]!r}: {right}", {"page_token": right}) from error
