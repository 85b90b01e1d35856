"""Manifests: one JSON object a line for every image of a dataset, and the dataset's card."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from defectory.datasets.decisions import View, is_view, read_view
from defectory.datasets.manifest_line import FORMAT, MANIFEST_LINE, ManifestLine
from defectory.datasets.old_lines import OLD_FORMATS, lifted
from defectory.datasets.splits import counts
from defectory.depth import FULL_DEPTH
from defectory.errors import AlreadyExists, Corrupted, FailedPrecondition, InvalidInput, NotFound
from defectory.models import is_name
from defectory.storage.references import Rooting, rooted, unrooted
from defectory.storage.store import ObjectStore
from defectory.wording import why_of

MAX_LINES = 250_000  # of a manifest where nothing else is set: 250 to 450 MB in memory
LINE_BYTES = 2048  # that a line has on average at most: one has some 450, with its verdict and scores 1000
MAX_LINE_BYTES = 1 << 20  # of one line: scores of the most labels that a classifier has, with the longest names
LOOK_EVERY = 1000  # lines between looks whether anybody waits for them
_HASH = re.compile(rb'"([0-9a-f]{64})"')
_OF_TODAY = f'"format": {FORMAT}'.encode()  # as `dump_lines` writes it: such lines are parsed in one step


@dataclass(frozen=True)
class Reading:
    """How a manifest is read.

    Attributes:
        max_lines: a longer one is refused.
        look: called with the lines read so far, again and again; raises where the reader is to stop.
    """

    max_lines: int = MAX_LINES
    look: Callable[[int], None] = lambda _: None


DEFAULT_READING = Reading()


def manifest_key(dataset: str) -> str:
    """Key of a dataset's manifest."""
    return f"datasets/{dataset}/manifest.jsonl"


def dataset_of_manifest(store: ObjectStore, uri: str) -> str:
    """Name of the dataset whose manifest a URI is.

    Raises:
        Refused: it lies outside the store. InvalidInput: it is of no dataset.
    """
    folder, _, below = store.key(uri).partition("/")
    name, _, rest = below.partition("/")
    if folder != "datasets" or not rest:
        right = f"give one as {store.uri(manifest_key('NAME'))}"
        raise InvalidInput(f"{uri} is no dataset's manifest: {right}", {"manifest_uri": right})
    return name


def card_key(dataset: str) -> str:
    """Key of a dataset's card."""
    return f"datasets/{dataset}/dataset.json"


def groups_key(dataset: str) -> str:
    """Key of the sheet that shows which photographs were taken for one part."""
    return f"datasets/{dataset}/groups.png"


def image_key(dataset: str, sha256: str) -> str:
    """Key of an image that a network made."""
    return f"datasets/{dataset}/images/{sha256}.png"


def mask_key(dataset: str, sha256: str) -> str:
    """Key of a mask, by its own hash."""
    return f"datasets/{dataset}/masks/{sha256}.png"


def original_key(dataset: str, sha256: str, ending: str) -> str:
    """Key of a photograph at its own size.

    Args:
        ending: of its file, without the dot.
    """
    return f"datasets/{dataset}/originals/{sha256}.{ending}"


def dump_lines(lines: Iterable[ManifestLine]) -> bytes:
    """Lines as JSON Lines, without fields at their defaults."""
    return b"".join(
        json.dumps({"format": FORMAT, **fields_of(line)}, sort_keys=True).encode() + b"\n" for line in lines
    )


def fields_of(line: ManifestLine) -> dict[str, Any]:
    """A line's parts and fields as JSON has them, without those at their defaults."""
    fields: dict[str, Any] = MANIFEST_LINE.dump_python(line, mode="json", exclude_defaults=True)
    return fields


def parse_lines(data: bytes, name: str = "manifest") -> list[ManifestLine]:
    """Parse JSON Lines.

    Raises:
        InvalidInput: a line is not what it should be; names the line and the fields.
    """
    return list(_parsed(_texts([data], name), name, DEFAULT_READING))


def _parsed(texts: Iterable[bytes], name: str, reading: Reading) -> Iterator[ManifestLine]:
    for number, text in enumerate(texts, start=1):
        if number % LOOK_EVERY == 1:
            reading.look(number - 1)
        if number > reading.max_lines:
            raise _too_long(name, f"more than {reading.max_lines} lines", reading)
        if not text.strip():
            continue
        try:
            yield _line(text)
        except ValidationError as error:
            fields = {f"line {number}: {'.'.join(map(str, e['loc'])) or 'line'}": why_of(e) for e in error.errors()}
            raise InvalidInput(
                f"{name}, line {number}: {'; '.join(f'{k}: {v}' for k, v in fields.items())}", fields
            ) from error
        except ValueError as error:
            raise InvalidInput(f"{name}, line {number} is no JSON: {error}", {f"line {number}": "JSON"}) from error


def _line(text: bytes) -> ManifestLine:
    if _OF_TODAY in text:  # inside of a string its quotes would be escaped
        of_today: ManifestLine = MANIFEST_LINE.validator.validate_json(text)
        return of_today
    fields = from_json(text, cache_strings="keys")
    written = fields.get("format", OLD_FORMATS[0]) if isinstance(fields, dict) else FORMAT
    fields = lifted(fields, written) if written in OLD_FORMATS else fields
    line: ManifestLine = MANIFEST_LINE.validator.validate_python(fields)
    return line


def _texts(
    pieces: Iterable[bytes], name: str, rooting: Callable[[bytes], bytes] = lambda lines: lines
) -> Iterator[bytes]:
    """Lines of what comes in pieces, of which never more than a piece and a line is in memory.

    Args:
        rooting: makes URIs of places in whole lines; of many at once, since every call has its price.
    """
    rest = b""
    for piece in pieces:
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        for text in rooting(whole).split(b"\n") if newline else ():
            yield from text.splitlines() or [text]
        if len(rest) > MAX_LINE_BYTES:
            right = f"a line has at most {MAX_LINE_BYTES} bytes"
            raise InvalidInput(f"{name} is no manifest: {right}", {"manifest_uri": right})
    yield from rooting(rest).splitlines()


def _too_long(name: str, what: str, reading: Reading) -> InvalidInput:
    right = f"give a manifest of at most {reading.max_lines} lines, or raise DEFECTORY_MAX_MANIFEST_LINES"
    return InvalidInput(f"{name} has {what}: {right}", {"manifest_uri": right})


def content_hash(lines: Sequence[ManifestLine]) -> str:
    """SHA-256 over images, labels, splits and groups, whatever their order and wherever the store lies."""
    rows = sorted(f"{x.file.sha256} {x.label} {x.split} {x.group} {x.origin.kind} {x.judgement.verdict}" for x in lines)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def bits_of(lines: Iterable[ManifestLine]) -> int:
    """Bits that the values of the photographs' 16-bit files use; FULL_DEPTH where not all use the same."""
    used = {line.file.bits for line in lines if line.is_real}
    return used.pop() if len(used) == 1 else FULL_DEPTH


def iter_manifest(store: ObjectStore, uri: str, reading: Reading = DEFAULT_READING) -> Iterator[ManifestLine]:
    """The lines of the manifest at a URI of this store, one after the other: however long it is, it takes no memory.

    Args:
        uri: of a manifest, or of a document of decisions: then the lines of its dataset, as it has them.

    Raises:
        NotFound: no such object. Refused: outside the store. InvalidInput: a malformed line, or too many of them.
        FailedPrecondition: the dataset is no longer the one that was decided about. What `reading.look` raises.
    """
    key = store.key(uri)
    size = store.head(key).size_bytes
    if size > reading.max_lines * LINE_BYTES + MAX_LINE_BYTES:
        raise _too_long(uri, f"{size} bytes", reading)
    if not is_view(key):
        yield from _parsed(_texts(store.stream(key), uri, Rooting(store).document), uri, reading)
        return
    view = _valid_view(store, uri)
    for line in iter_manifest(store, store.uri(manifest_key(view.dataset)), reading):
        yield view.line(line)


def lines_of_pictures(store: ObjectStore, uri: str, sha256s: Collection[str]) -> Iterator[ManifestLine]:
    """The lines of the manifest at a URI that are of these pictures; all others are passed over, at 2 µs each.

    Args:
        uri: as `iter_manifest` takes it, which says what is raised.
    """
    key = store.key(uri)
    view = _valid_view(store, uri) if is_view(key) else None
    manifest = store.uri(manifest_key(view.dataset)) if view else uri
    wanted = {sha256.encode() for sha256 in sha256s}
    for text in _texts(store.stream(store.key(manifest)), uri):
        if not wanted.isdisjoint(_HASH.findall(text)):  # the picture's own, or one that it was made from
            for line in _parsed([rooted(text, store)], uri, DEFAULT_READING):
                if line.file.sha256 in sha256s:
                    yield view.line(line) if view else line


def _valid_view(store: ObjectStore, uri: str) -> View:
    """The document at a URI; FailedPrecondition where its dataset is no longer the one that was decided about."""
    view = read_view(store, store.key(uri))
    if read_card(store, view.dataset).get("content_hash") != view.content_hash:
        raise FailedPrecondition(
            f"dataset {view.dataset!r} has changed since {uri} was decided about it; decide again, e.g. with "
            f"`defectory dataset fold {view.dataset}`"
        )
    return view


def read_manifest(store: ObjectStore, uri: str, reading: Reading = DEFAULT_READING) -> list[ManifestLine]:
    """All lines of a manifest, which take 1 to 2 KB each; raises what `iter_manifest` does."""
    return list(iter_manifest(store, uri, reading))


def check_manifest(store: ObjectStore, uri: str, reading: Reading = DEFAULT_READING) -> None:
    """See that there is a manifest that can be read; raises what `iter_manifest` does."""
    for _ in iter_manifest(store, uri, reading):
        pass


def write_dataset(store: ObjectStore, name: str, lines: Sequence[ManifestLine], card: Mapping[str, Any]) -> str:
    """Write manifest and card, in this order, and return the manifest's URI. The images must be there already."""
    data = unrooted(dump_lines(lines), store)
    store.put(manifest_key(name), data)
    full = {
        "name": name,
        "images": len(lines),
        "labels": sorted({line.label for line in lines}),
        "counts": counts(lines),
        "manifest_sha256": hashlib.sha256(data).hexdigest(),
        "content_hash": content_hash(lines),
        **card,
    }
    store.put(card_key(name), unrooted(json.dumps(full, indent=2, sort_keys=True).encode(), store))
    return store.uri(manifest_key(name))


def check_output_dataset(store: ObjectStore, name: str, mark: str) -> None:
    """See that a dataset that is to be written replaces none that was made otherwise.

    Args:
        mark: what the cards of such datasets have, and no others.

    Raises:
        AlreadyExists: it would.
    """
    if store.exists(card_key(name)) and mark not in read_card(store, name):
        raise AlreadyExists(f"dataset {name!r} exists and was made otherwise; choose another name")


def read_card(store: ObjectStore, name: str) -> dict[str, Any]:
    """The card of a dataset.

    Raises:
        NotFound: no dataset of this name (or one that was never finished).
    """
    if not is_name(name):
        raise NotFound(f"dataset {name!r} does not exist in {store.url}; `defectory dataset list` lists those that do")
    if not store.exists(card_key(name)):
        raise NotFound(
            f"dataset {name!r} does not exist in {store.url}; `defectory ingest DIR --name {name}` makes one"
        )
    try:
        card: dict[str, Any] = json.loads(rooted(store.get(card_key(name)), store))
    except ValueError as error:
        raise Corrupted(f"the card of dataset {name!r} is not JSON: {error}; ingest it again") from error
    return card
