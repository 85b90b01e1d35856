"""Whatever reads bytes of others: each target takes the name of a seed and bytes, and refuses by an error of ours."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.brush import Brush
from defectory.datasets.layouts.polygons import Outline
from defectory.datasets.layouts.run_lengths import RunLengths
from defectory.datasets.layouts.source import Choices, MaskSource
from defectory.datasets.layouts.table import read_groups
from defectory.datasets.manifest import parse_lines
from defectory.errors import Corrupted, DefectoryError, InvalidInput, NotFound
from defectory.imaging import decode, largest_value, network_input_of, size_of
from defectory.models import version_prefix
from defectory.storage import ObjectStore, open_store

SEEDS = Path("build/fuzz/seeds")  # relative to the repository: what targets need beside the bytes
TOOLS = Path(__file__).parents[1] / "files/annotation_tools"


@dataclass(frozen=True)
class Target:
    """One reader, and the errors by which it may refuse."""

    read: Callable[[str, bytes], None]
    refuses: tuple[type[DefectoryError], ...]


def image(name: str, data: bytes) -> None:
    """All that is done with a picture: header, orientation, pixels of 8 bits, numbers, what a network sees."""
    size_of(data, upright=True)
    decoded = decode(data, keep_alpha=True)
    largest_value(data)
    seen = network_input_of(data, 32)
    assert decoded.mode in ("L", "RGB", "RGBA")
    assert seen.shape == (32, 32, 3)


def manifest(name: str, data: bytes) -> None:
    """A manifest's lines."""
    parse_lines(data)


def groups(name: str, data: bytes) -> None:
    """A table of groups."""
    read_groups(data.decode(errors="replace"), name)


def layout(name: str, data: bytes) -> None:
    """A folder that an annotation tool wrote, of which one file holds these bytes; masks are drawn, too."""
    folder, _, file = name.partition(":")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        shutil.copytree(TOOLS / folder, root)
        (root / file).write_bytes(data)
        for listed in read_source(root, Choices(keep_splits=True)).files[:8]:
            for mask in listed.masks:
                mask.draw(root, 20, 16)  # as large as all of the pictures there


def outline(name: str, data: bytes) -> None:
    """A mask out of a document: {"segmentation"} as COCO has it, {"rle"} as Label Studio, {"runs"} as a table."""
    document = json.loads(data)
    said = document if isinstance(document, dict) else {}
    mask: MaskSource
    if name == "brush.json":
        mask = Brush("x", said.get("rle", []), (20, 16))
    elif name == "runs.json":
        mask = RunLengths("x", 1, str(said.get("runs", "")))
    else:
        mask = Outline("x", said.get("segmentation"), (20, 16))
    mask.draw(Path(), 20, 16)


def classifier_card(name: str, data: bytes) -> None:
    """A classifier's card beside weights that are right."""
    from services.classifier.bundle import read_bundle
    from services.classifier.golden import check_golden

    store = _store_of("classifier")
    store.put(version_prefix("classifier", "parts", "1") + "model.json", data)
    card, _ = read_bundle(store, "parts/1")
    if card.golden is not None:
        check_golden(card, lambda images: images.reshape(len(images), -1)[:, : len(card.architecture.labels)])


def classifier_weights(name: str, data: bytes) -> None:
    """A classifier's weights, whose hash and size stand in the card: by somebody who can write both."""
    from services.classifier.bundle import read_bundle

    store, key = _store_of("classifier"), version_prefix("classifier", "parts", "1") + "model.json"
    card = json.loads(store.get(key))
    card["cycles"][0]["weights"] |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    store.put(key, json.dumps(card).encode())
    store.put(version_prefix("classifier", "parts", "1") + card["cycles"][0]["weights"]["file"], data)
    read_bundle(store, "parts/1")


def generator_card(name: str, data: bytes) -> None:
    """A generator's card beside weights that are right."""
    from services.generator import bundle

    store = _store_of("generator")
    store.put(version_prefix("generator", "tiny", "1") + "model.json", data)
    bundle.load(store, "tiny/1")


def generator_weights(name: str, data: bytes) -> None:
    """A generator's weights, whose hash stands in the card."""
    from services.generator import bundle

    store, prefix = _store_of("generator"), version_prefix("generator", "tiny", "1")
    card = json.loads(store.get(prefix + "model.json"))
    store.put(prefix + "model.json", json.dumps({**card, "weights_sha256": hashlib.sha256(data).hexdigest()}).encode())
    store.put(prefix + bundle.WEIGHTS, data)
    bundle.load(store, "tiny/1")


def pickled_networks(name: str, data: bytes) -> None:
    """A foreign pickle of networks."""
    from services.generator.importing.importing import import_pickle

    import_pickle(open_store("memory://"), data, "x", "1", "part")


def _store_of(kind: str) -> ObjectStore:
    """A store of its own with what a bundle consists of."""
    store = open_store("memory://")
    for path in (SEEDS / kind).rglob("*"):
        if path.is_file():
            store.put(str(path.relative_to(SEEDS / kind)), path.read_bytes())
    return store


TARGETS: Mapping[str, Target] = {
    "image": Target(image, (InvalidInput,)),
    "manifest": Target(manifest, (InvalidInput,)),
    "groups": Target(groups, (InvalidInput,)),
    "layout": Target(layout, (InvalidInput,)),
    "outline": Target(outline, (InvalidInput,)),
    "classifier card": Target(classifier_card, (Corrupted, NotFound)),
    "classifier weights": Target(classifier_weights, (Corrupted,)),
    "generator card": Target(generator_card, (Corrupted, NotFound)),
    "generator weights": Target(generator_weights, (Corrupted,)),
    "pickled networks": Target(pickled_networks, (InvalidInput,)),
}
