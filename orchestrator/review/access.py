"""Who gets in: a token, and browsers that show this page and no other; and what every answer forbids the browser.

A page of another origin can send requests here, and can have its own name resolve to this machine. So a request must
name a host that this server answers for, one that changes something must come from the page itself, and the cookie that
stands for the token goes with requests of the page only.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
    )
)  # fmt: skip
HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
LONGEST_BODY = 4 << 20  # bytes of a request: a batch of 100,000 decisions has 1.5 MB
SAFE_METHODS = ("GET", "HEAD")


class Sessions:
    """Cookies that say who is there. They are signed with the token: a server that starts anew with it knows them.

    Args:
        port: part of the cookie's name, since a browser sends cookies of a host to all its ports.
    """

    def __init__(self, token: str, port: int) -> None:
        self._token = token
        self.cookie = f"defectory_review_{port}"

    def is_token(self, given: str) -> bool:
        """Whether somebody brings the token."""
        return hmac.compare_digest(given.encode(), self._token.encode())

    def value(self, name: str) -> str:
        """What the cookie of a reviewer holds."""
        return f"{quote(name, safe='')}:{self._signature(name)}"

    def reviewer(self, headers: Headers) -> str:
        """Whose cookie a request brings; "": nobody's."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        quoted, _, signature = (morsel.value if morsel else "").partition(":")
        name = unquote(quoted)
        known = hmac.compare_digest(signature.encode(), self._signature(name).encode())
        return name if known else ""

    def _signature(self, name: str) -> str:
        return hmac.new(self._token.encode(), f"reviewer {name}".encode(), hashlib.sha256).hexdigest()


class Guard:
    """Lets through what is asked of this host, by this page where it changes something; adds headers to every answer.

    Args:
        hosts: values of the header `Host` that are answered, with their ports.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = JSONResponse({"error": refused}, 403) if refused else self._app
        await app(scope, receive, with_headers)

    def _refusal(self, method: str, path: str, headers: Headers) -> str:
        """Why a request is not answered; "": it is."""
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return "this server does not answer for that host; start it with --allow-host HOST where it should"
        opened = (
            path == "/" and headers.get("sec-fetch-mode") == "navigate"
        )  # by a link, say; the bare page says nothing
        if not opened and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "asked for by a page of another origin"
        if method in SAFE_METHODS:
            return ""
        if headers.get("origin", "").lower() not in (f"http://{host}", f"https://{host}"):  # TLS may end before us
            return "only the page itself may change something: the request names no origin, or another one"
        if not headers.get("content-length", "").isdecimal() or int(headers["content-length"]) > LONGEST_BODY:
            return f"a request must say its length, of at most {LONGEST_BODY} bytes"
        return ""
