"""Manifests: one JSON object a line for every image of a dataset, and the dataset's card."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from defectory.errors import AlreadyExists, Corrupted, InvalidInput, NotFound
from defectory.imaging import FULL_DEPTH
from defectory.storage.store import ObjectStore

Split = Literal["train", "validation", "test", "none"]
Origin = Literal["real", "edited", "synthetic"]

MAX_LINES = 250_000  # of a manifest where nothing else is set: half a gigabyte in memory
LINE_BYTES = 2048  # that a line has on average at most: one has some 400, with its verdict and scores 1000
MAX_LINE_BYTES = 1 << 20  # of one line: scores of the most labels that a classifier has, with the longest names
LOOK_EVERY = 1000  # lines between looks whether anybody waits for them


FORMAT: Literal[2] = 2  # of the lines that are written: pictures have their own size


class ManifestLine(BaseModel):
    """One picture: where it is, what it shows, where it comes from. Anything synthetic can be made again from it."""

    # Values that pydantic keeps for later lines would keep the memory of all that was read beside them.
    model_config = ConfigDict(frozen=True, extra="forbid", cache_strings="keys")

    format: Literal[1, 2] = 1  # 1: ingest had made the picture the square image of one network
    uri: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")  # of the stored file
    width: int = Field(ge=1)  # px, upright
    height: int = Field(ge=1)  # px, upright
    colour: Literal["", "L", "RGB", "RGBA"] = ""  # that its dataset's images have; empty: those that the file has
    stretched_from: tuple[int, int] | None = None  # of format 1: (width, height) in px before it was stretched
    fit: Literal["", "stretch", "crop", "pad"] = ""  # how it becomes (in format 1: became) square; empty: unknown
    bits: int = Field(FULL_DEPTH, ge=8, le=FULL_DEPTH)  # that the values of its dataset's 16-bit files use
    tile: tuple[int, int, int] | None = None  # left, top and side of the square of `source` that it shows, upright, px
    label: str = Field(min_length=1)
    split: Split = "none"
    group: str = ""  # images of one group show the same part and stay in one split
    origin: Origin = "real"
    parents: tuple[str, ...] = ()  # sha256 of the images this one was made from
    source: str = ""  # path it was ingested from, relative to the ingested folder
    kind: str = ""  # kind of defect, where the label is only good / defect
    kinds: tuple[str, ...] = ()  # every kind of defect that was named for it, the first above, where there are several
    mask_uri: str = ""
    mask_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")  # of the stored PNG file; empty: not known
    augmentation: str = ""  # how a copy for test-set growth was made; such copies are never counted as independent
    recipe: Mapping[str, JsonValue] | None = None  # of an edit as it was drawn: with its parents it is made again
    editor: str = ""  # program that it was edited with by hand
    person: str = ""  # who did it
    seed: int | None = None
    truncation_psi: float | None = None
    truncation_cutoff: int | None = Field(None, ge=0)  # styles that psi is for, the coarsest; none: all
    noise_mode: str = ""
    resolution_px: int | None = Field(None, ge=1)  # side of what the generator makes; none: the picture's own
    generator: str = ""  # "name/version"
    precision: Literal["", "bf16", "fp16"] = ""  # arithmetic of its highest resolutions; empty: fp32 throughout
    half_resolutions: int = Field(0, ge=0)  # how many of them
    scores: Mapping[str, float] | None = None  # label -> the judge's mean probability
    score_spread: float | None = None  # sd of the intended label's probability over the judge's cycles
    nearest_real: str = ""  # sha256 of the nearest real training image
    nearest_real_distance: float | None = None  # 1 - correlation of their fine structure, in [0, 2]
    feature_distance: float | None = None  # cosine distance to the nearest real training image of its label, in [0, 2]
    duplicate_of: str = ""  # sha256 of the synthetic image that it repeats
    verdict: Literal["", "accepted", "rejected"] = ""
    reasons: tuple[str, ...] = ()
    reviewer: str = ""

    @property
    def is_real(self) -> bool:
        """Whether it counts as real: a photograph, edited or not, and nothing that a network made."""
        return self.origin != "synthetic"

    @property
    def network_px(self) -> int | None:
        """Side of the square of which it holds no finer detail: made by a generator, or for one. None: a photograph."""
        if not self.is_real:
            return self.resolution_px or min(self.width, self.height)
        return self.width if self.format == 1 and self.fit else None

    @property
    def upright_px(self) -> tuple[int, int]:
        """(width, height) of the photograph, before anything was stretched."""
        return self.stretched_from or (self.width, self.height)


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


def card_key(dataset: str) -> str:
    """Key of a dataset's card."""
    return f"datasets/{dataset}/dataset.json"


def image_key(dataset: str, sha256: str) -> str:
    """Key of an image that a network made."""
    return f"datasets/{dataset}/images/{sha256}.png"


def original_key(dataset: str, sha256: str, ending: str) -> str:
    """Key of a photograph at its own size.

    Args:
        ending: of its file, without the dot.
    """
    return f"datasets/{dataset}/originals/{sha256}.{ending}"


def dump_lines(lines: Iterable[ManifestLine]) -> bytes:
    """Lines as JSON Lines, without fields at their defaults."""
    return b"".join(
        json.dumps(line.model_dump(mode="json", exclude_defaults=True), sort_keys=True).encode() + b"\n"
        for line in lines
    )


def parse_lines(data: bytes, name: str = "manifest") -> list[ManifestLine]:
    """Parse JSON Lines.

    Raises:
        InvalidInput: a line is not what it should be; names the line and the fields.
    """
    return list(_parsed([data], name, DEFAULT_READING))


def _parsed(pieces: Iterable[bytes], name: str, reading: Reading) -> Iterator[ManifestLine]:
    for number, text in enumerate(_texts(pieces, name), start=1):
        if number % LOOK_EVERY == 1:
            reading.look(number - 1)
        if number > reading.max_lines:
            raise _too_long(name, f"more than {reading.max_lines} lines", reading)
        if not text.strip():
            continue
        try:
            yield ManifestLine.model_validate_json(text)
        except ValidationError as error:
            fields = {f"line {number}: {'.'.join(map(str, e['loc'])) or 'line'}": e["msg"] for e in error.errors()}
            raise InvalidInput(
                f"{name}, line {number}: {'; '.join(f'{k}: {v}' for k, v in fields.items())}", fields
            ) from error


def _texts(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Lines of what comes in pieces, of which never more than a piece and a line is in memory."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for text in whole:
            yield from text.splitlines() or [text]
        if len(rest) > MAX_LINE_BYTES:
            right = f"a line has at most {MAX_LINE_BYTES} bytes"
            raise InvalidInput(f"{name} is no manifest: {right}", {"manifest_uri": right})
    yield from rest.splitlines()


def _too_long(name: str, what: str, reading: Reading) -> InvalidInput:
    right = f"give a manifest of at most {reading.max_lines} lines, or raise DEFECTORY_MAX_MANIFEST_LINES"
    return InvalidInput(f"{name} has {what}: {right}", {"manifest_uri": right})


def content_hash(lines: Sequence[ManifestLine]) -> str:
    """SHA-256 over images, labels, splits and groups, whatever their order and wherever the store lies."""
    rows = sorted(f"{x.sha256} {x.label} {x.split} {x.group} {x.origin} {x.verdict}" for x in lines)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def bits_of(lines: Iterable[ManifestLine]) -> int:
    """Bits that the values of the photographs' 16-bit files use; FULL_DEPTH where not all use the same."""
    used = {line.bits for line in lines if line.is_real}
    return used.pop() if len(used) == 1 else FULL_DEPTH


def iter_manifest(store: ObjectStore, uri: str, reading: Reading = DEFAULT_READING) -> Iterator[ManifestLine]:
    """The lines of the manifest at a URI of this store, one after the other: however long it is, it takes no memory.

    Raises:
        NotFound: no such object. Refused: outside the store. InvalidInput: a malformed line, or too many of them.
        What `reading.look` raises.
    """
    key = store.key(uri)
    size = store.head(key).size_bytes
    if size > reading.max_lines * LINE_BYTES + MAX_LINE_BYTES:
        raise _too_long(uri, f"{size} bytes", reading)
    yield from _parsed(store.stream(key), uri, reading)


def read_manifest(store: ObjectStore, uri: str, reading: Reading = DEFAULT_READING) -> list[ManifestLine]:
    """All lines of a manifest, which take some 2 KB each; raises what `iter_manifest` does."""
    return list(iter_manifest(store, uri, reading))


def check_manifest(store: ObjectStore, uri: str, reading: Reading = DEFAULT_READING) -> None:
    """See that there is a manifest that can be read; raises what `iter_manifest` does."""
    for _ in iter_manifest(store, uri, reading):
        pass


def write_dataset(store: ObjectStore, name: str, lines: Sequence[ManifestLine], card: Mapping[str, Any]) -> str:
    """Write manifest and card, in this order, and return the manifest's URI. The images must be there already."""
    data = dump_lines(lines)
    store.put(manifest_key(name), data)
    counts: dict[str, dict[str, int]] = {}
    for line in lines:
        split = counts.setdefault(line.split, {})
        split[line.label] = split.get(line.label, 0) + 1
    full = {
        "name": name,
        "images": len(lines),
        "labels": sorted({line.label for line in lines}),
        "counts": counts,
        "manifest_sha256": hashlib.sha256(data).hexdigest(),
        "content_hash": content_hash(lines),
        **card,
    }
    store.put(card_key(name), json.dumps(full, indent=2, sort_keys=True).encode())
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
    if not store.exists(card_key(name)):
        raise NotFound(
            f"dataset {name!r} does not exist in {store.url}; `defectory ingest DIR --name {name}` makes one"
        )
    try:
        card: dict[str, Any] = json.loads(store.get(card_key(name)))
    except ValueError as error:
        raise Corrupted(f"{card_key(name)} is not JSON: {error}") from error
    return card
