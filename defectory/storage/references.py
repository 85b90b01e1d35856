"""What a store holds of its own places: written relative to the store, read as URIs of the store that was opened.

A document says "store:datasets/parts/manifest.jsonl", so that a store can be copied, moved and mounted elsewhere. Who
works with a document, and who is asked or answered over gRPC, has whole URIs. Older documents hold whole URIs, too: of
a store that has been moved since, they are taken for the same key of the store that is read.
"""

import json
import re
from typing import Any

from defectory.storage.keys import KEY, OWN
from defectory.storage.store import ObjectStore

HERE = b'"store:'  # how a string of a document starts that is a place of the store in which the document lies
# First parts of all keys that documents name: by these the key is known in the URI of a store that lay elsewhere.
HEADS = frozenset({*OWN, "anomalies", "edits", "experiments", "explanations", "runs", "scores"})

_KEY = rb"[A-Za-z0-9_-][A-Za-z0-9._=+/-]*"
_WHOLE = re.compile(rb'(?<!\\)"(?:file|s3)://(?:[^"\\]|\\.)+"')


def _keys_behind(start: bytes) -> re.Pattern[bytes]:
    """Finds such a start of a string of JSON, its quote included, where a key is all that follows.

    A quote inside of a string is escaped. The look behind stands after the start, or the search would take far longer.
    """
    literal = re.escape(start)
    return re.compile(literal + rb"(?<!\\" + literal + rb")(?=" + _KEY + rb'")')


_HERE = _keys_behind(HERE)


def unrooted(document: bytes, store: ObjectStore) -> bytes:
    """A JSON document, or JSON Lines, that is to be stored: strings that are URIs of the store are relative to it."""
    spellings = {json.dumps(store.url + "/", ensure_ascii=ascii_)[:-1] for ascii_ in (True, False)}
    for root in spellings:
        document = _keys_behind(root.encode()).sub(HERE, document)
    return document


class Rooting:
    """Makes URIs of a store of what its documents say; knows again where the store lay before."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._own = store.url + "/"
        self._opening = json.dumps(self._own)[:-1].encode()
        self._replacement = self._opening.replace(b"\\", b"\\\\")
        self._before: list[str] = []  # roots that the store had, as far as documents have said them

    def document(self, text: bytes) -> bytes:
        """A JSON document, or JSON Lines."""
        if text.count(b'"file://') + text.count(b'"s3://') > text.count(self._opening):
            text = _WHOLE.sub(self._whole, text)
        return _HERE.sub(self._replacement, text) if HERE in text else text

    def _whole(self, match: re.Match[bytes]) -> bytes:
        if match[0].startswith(self._opening):
            return match[0]
        try:
            return json.dumps(self._rebased(json.loads(match[0]))).encode()
        except ValueError:  # it is no JSON: who parses the document says so
            return match[0]

    def _rebased(self, uri: str) -> str:
        """The object of this store that a URI named before the store was moved; the URI where it is no store's."""
        for root in self._before:
            if uri.startswith(root) and KEY.fullmatch(key := uri[len(root) :]):
                return self._own + key
        tails = [uri[slash.end() :] for slash in re.finditer("/", uri)]
        keys = [tail for tail in tails if tail.partition("/")[0] in HEADS and "/" in tail and KEY.fullmatch(tail)]
        if len(keys) > 1:  # a folder above the store, or something in it, has the name of a head, too
            keys = [key for key in keys if self._store.exists(key)]
        if not keys:
            return uri
        self._before.append(uri.removesuffix(keys[0]))
        return self._own + keys[0]


def rooted(document: bytes, store: ObjectStore) -> bytes:
    """A JSON document, or JSON Lines, that was read: what is relative to the store has whole URIs."""
    return Rooting(store).document(document)


def read_json(store: ObjectStore, uri: str) -> Any:
    """What the JSON document at a URI of the store says.

    Raises:
        NotFound: there is none. Refused: outside the store. ValueError: it is no JSON.
    """
    return json.loads(rooted(store.get(store.key(uri)), store))
