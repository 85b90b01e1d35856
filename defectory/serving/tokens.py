"""The tokens that a server accepts, and what each of them allows; their file may change while it serves.

A server keeps no token that it can lose: the file holds SHA-256 of them. A token is 256 random bits, so that nobody
guesses one from its hash, and a slow hash would gain nothing.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from defectory.errors import InvalidInput, Refused, Unauthenticated
from defectory.serving.scopes import OPEN_TO_ALL, SCOPES, Scope

BEARER = "Bearer "
WANTED = "this service wants `authorization: Bearer <token>`"
LINE_RIGHT = "write a name, its scopes (read,classify,operate) and the token's SHA-256, as `defectory token` does"
MAX_FILE_BYTES = 1 << 20
SHA_256 = re.compile("[0-9a-f]{64}")
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Bearer:
    """Who has a token, and what he may."""

    name: str
    scopes: frozenset[Scope]


def new_token() -> str:
    """A token of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """How a token is known to those who accept it: hexadecimal SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()


def line_of(name: str, scopes: Iterable[Scope], token: str) -> str:
    """A token's line in the file."""
    return f"{name} {','.join(sorted(scopes))} {digest(token)}"


class Tokens:
    """What opens a server.

    Args:
        token: the token of the system's own parts, which allows everything; "": there is none.
        path: file of further ones, a line each: name, scopes, SHA-256. "": there is none.

    Raises:
        InvalidInput: the file cannot be read, or a line of it is none.
    """

    def __init__(self, token: str = "", path: str = "") -> None:
        self._own = {digest(token): Bearer("DEFECTORY_TOKEN", frozenset(Scope))} if token else {}
        self._path = path
        self._seen = _stamp(path)
        self._bearers: Mapping[str, Bearer] = {**read(path), **self._own} if path else self._own

    def reload(self) -> None:
        """Read the file again where it has changed; one that is wrong now leaves things as they were."""
        if not self._path or (stamp := _stamp(self._path)) == self._seen:
            return
        self._seen = stamp
        try:
            self._bearers = {**read(self._path), **self._own}
        except InvalidInput as error:
            log.error("tokens stay as they were", error=str(error))
        else:
            log.info("tokens read again", bearers=sorted(bearer.name for bearer in self._bearers.values()))

    def check(self, method: str, authorization: str) -> None:
        """See that a call may come in.

        Args:
            method: its path, "/package.Service/Call".
            authorization: the header that the caller sent; "": none.

        Raises:
            Unauthenticated: no token, or one that is not known. Refused: it does not allow this call, or none does.
        """
        if method.startswith(OPEN_TO_ALL):
            return
        bearer = self._bearers.get(digest(authorization.removeprefix(BEARER)))
        if bearer is None or not authorization.startswith(BEARER):
            raise Unauthenticated(WANTED)
        scope = SCOPES.get(method)
        if scope not in bearer.scopes:
            needed = f"a token with the scope `{scope}`" if scope else "what no token allows"
            raise Refused(f"{method} wants {needed}; that of {bearer.name} has {', '.join(sorted(bearer.scopes))}")


def read(path: str) -> dict[str, Bearer]:
    """SHA-256 -> whose token it is. The error names a line by its number: what stands in it may be a secret.

    Raises:
        InvalidInput: the file cannot be read, or a line of it is none.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InvalidInput(f"DEFECTORY_TOKENS {path!r}: {why}; {LINE_RIGHT}", {"tokens": LINE_RIGHT}) from error
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    return dict(_bearer(path, number, parts) for number, parts in lines if parts and not parts[0].startswith("#"))


def _bearer(path: str, number: int, parts: list[str]) -> tuple[str, Bearer]:
    if len(parts) == 3:
        name, scopes, sha256 = parts
        words = frozenset(scopes.split(","))
        if NAME.fullmatch(name) and words <= frozenset(Scope) and SHA_256.fullmatch(sha256):
            return sha256, Bearer(name, frozenset(map(Scope, words)))
    raise InvalidInput(f"DEFECTORY_TOKENS {path!r}, line {number}: {LINE_RIGHT}", {"tokens": LINE_RIGHT})


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when the file does; None where it is not there."""
    try:
        about = Path(path).stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
