"""Whatever reads files of others reads them or refuses them by name: no crash, no hang, no memory without bound."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz import mutations, seeds
from tests.fuzz.mutations import anything, mutated, mutated_documents
from tests.fuzz.reader import Reader
from tests.fuzz.search import search

Seeds = Mapping[str, bytes]
Inputs = SearchStrategy[tuple[str, bytes]]
MOST_MB = 2600  # that a process of readers has had in memory at most, with torch or TensorFlow and what it read


@pytest.fixture(scope="module")
def readers() -> Iterator[Callable[[str], Reader]]:
    """A process for each target."""
    running: dict[str, Reader] = {}
    yield lambda target: running.setdefault(target, Reader(target))
    for reader in running.values():
        reader.close()


def read_or_refused(reader: Reader, name: str, kept: Seeds, inputs: Inputs) -> None:
    for seed, data in kept.items():  # a search that starts from what is refused would see little
        assert reader.read(seed, data).outcome == ("refused" if name == "WebP" else "read"), seed

    def outcome_of(one: tuple[str, bytes]) -> str:
        verdict = reader.read(*one)
        assert verdict.outcome in ("read", "refused"), f"{name} {verdict.outcome}: {verdict.why}"
        return verdict.outcome

    search(name, inputs, outcome_of)
    assert reader.peak_mb < MOST_MB


@pytest.mark.parametrize(
    ("kind", "files", "places"),
    [
        ("TIFF", seeds.tiffs, mutations.tiff_places), ("PNG", seeds.pngs, mutations.png_places),
        ("JPEG", seeds.jpegs, mutations.jpeg_places), ("BMP", seeds.bmps, mutations.header_places),
        ("WebP", seeds.webps, mutations.header_places),
    ],
    ids=["tiff", "png", "jpeg", "bmp", "webp"],
)  # fmt: skip
def test_pictures(
    kind: str, files: Callable[[], Seeds], places: mutations.Places, readers: Callable[[str], Reader]
) -> None:
    kept = files()
    read_or_refused(readers("image"), kind, kept, mutated(kept, places))


def test_manifests(readers: Callable[[str], Reader]) -> None:
    kept = seeds.manifests()
    read_or_refused(readers("manifest"), "manifests", kept, mutated_documents(kept) | mutated(kept) | anything(kept))


def test_tables_of_groups(readers: Callable[[str], Reader]) -> None:
    kept = seeds.tables()
    read_or_refused(readers("groups"), "tables of groups", kept, mutated(kept) | anything(kept))


def test_layouts(readers: Callable[[str], Reader]) -> None:
    kept = {name: data for name, data in seeds.annotations().items() if _is_read(readers("layout"), name, data)}
    documents = {name: data for name, data in kept.items() if name.endswith(".json")}
    assert len(kept) > 10
    read_or_refused(readers("layout"), "layouts", kept, mutated_documents(documents) | mutated(kept))


def test_masks_out_of_documents(readers: Callable[[str], Reader]) -> None:
    kept = seeds.outlines()
    read_or_refused(readers("outline"), "masks out of documents", kept, mutated_documents(kept))


def _is_read(reader: Reader, name: str, data: bytes) -> bool:
    """Some of the folders are there to be refused."""
    verdict = reader.read(name, data)
    assert verdict.outcome in ("read", "refused"), verdict.why
    return verdict.outcome == "read"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "bundle"), [("classifier", seeds.classifier_bundle), ("generator", seeds.generator_bundle)]
)
def test_bundles(kind: str, bundle: Callable[[], tuple[Seeds, Seeds]], readers: Callable[[str], Reader]) -> None:
    card, weights = bundle()
    read_or_refused(readers(f"{kind} card"), f"{kind} cards", card, mutated_documents(card) | mutated(card))
    read_or_refused(
        readers(f"{kind} weights"), f"{kind} weights", weights, mutated(weights, _safetensors_places)
    )  # fmt: skip


@pytest.mark.slow
def test_foreign_pickles(readers: Callable[[str], Reader]) -> None:
    kept = seeds.pickles()
    raw = st.tuples(st.just("raw.pkl"), st.binary(max_size=200).map(lambda data: b"\x80\x04" + data))
    read_or_refused(readers("pickled networks"), "pickled networks", kept, mutated(kept, _pickle_places) | raw)


def _safetensors_places(data: bytes) -> list[mutations.Place]:
    """The length of the header, and its digits."""
    head = 8 + int.from_bytes(data[:8], "little")
    return [(0, 8), *((at, 1) for at in range(8, head) if chr(data[at]).isdigit())]


def _pickle_places(data: bytes) -> list[mutations.Place]:
    """Every byte of the first 600, where most of the file's structure lies."""
    return [(at, width) for width in (1, 4) for at in range(min(600, len(data)))]
