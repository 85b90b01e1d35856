"""Manifests of formats 1 and 2, whose lines were flat, say what they said."""

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from defectory.datasets.manifest import content_hash, dump_lines, parse_lines, read_card, read_manifest
from defectory.datasets.manifest_line import Judgement, ManifestLine, MaskFile, Origin, PictureFile, Synthesis
from defectory.datasets.pictures import picture_of
from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.storage import ObjectStore, open_store

FILES = Path(__file__).parents[2] / "files/datasets_of_format_2.tar.xz"  # ingested, made and judged; tiles: documents
WRITTEN_AT = b"file:///srv/store"
JUDGED = "cables.defect.r1.judged"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    with tarfile.open(FILES) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            store.put(member.name, file.read().replace(WRITTEN_AT, store.url.encode()))
    return store


def lines_of(store: ObjectStore, dataset: str) -> list[ManifestLine]:
    return read_manifest(store, store.uri(f"datasets/{dataset}/manifest.jsonl"))


def flat(store: ObjectStore, dataset: str) -> list[dict[str, Any]]:
    """The lines as they lie in the store."""
    return [json.loads(text) for text in store.get(f"datasets/{dataset}/manifest.jsonl").splitlines()]


@pytest.mark.parametrize("dataset", ["cables", "tiles", "cables.defect.r1", JUDGED])
def test_cards_fit_and_what_is_written_again_says_the_same(store: ObjectStore, dataset: str) -> None:
    lines = lines_of(store, dataset)
    assert {line["format"] for line in flat(store, dataset)} == {2}
    assert content_hash(lines) == read_card(store, dataset)["content_hash"]
    again = dump_lines(lines)
    assert {json.loads(text)["format"] for text in again.splitlines()} == {3}
    assert parse_lines(again) == lines


def test_pictures_and_masks_are_those_of_their_lines(store: ObjectStore) -> None:
    lines = lines_of(store, "cables")
    for line in lines:
        assert decode(picture_of(store, line)).size == (line.file.width, line.file.height) == (32, 32)
        assert line.network_px is None, "a photograph at its own size"
    assert sum(line.mask is not None for line in lines) == 6
    copies = [line.origin for line in lines if line.origin.augmentation]
    assert Counter(copy.augmentation for copy in copies) == {"mirror-x": 2, "darker": 2}
    assert {copy.parents[0] for copy in copies} <= {line.file.sha256 for line in lines if line.split == "test"}
    assert {(line.file.fit, line.file.colour, line.file.bits) for line in lines} == {("crop", "RGB", 16)}


def test_tiles_and_bits_are_kept(store: ObjectStore) -> None:
    expected = [(*row["tile"], row["bits"], row["fit"], row["source"]) for row in flat(store, "tiles")]
    lines = lines_of(store, "tiles")
    assert [(*line.origin.tile, line.file.bits, line.file.fit, line.origin.source) for line in lines] == expected
    assert {line.file.bits for line in lines} == {12}


def test_how_it_was_made_and_judged_is_kept(store: ObjectStore) -> None:
    (row, *_), (line, *_) = flat(store, JUDGED), lines_of(store, JUDGED)
    assert line == ManifestLine(
        file=PictureFile(uri=row["uri"], sha256=row["sha256"], width=16, height=16),
        label="defect",
        origin=Origin(kind="synthetic"),
        synthesis=Synthesis(
            generator="cables.defect/1", seed=40, truncation_psi=0.7, truncation_cutoff=3, noise_mode="const",
            precision="bf16", half_resolutions=1,
        ),
        judgement=Judgement(
            scores={"defect": 0.4, "good": 0.6}, spread=0.02, nearest_real=row["nearest_real"],
            nearest_real_distance=row["nearest_real_distance"], feature_distance=0.0, verdict="rejected",
            reasons=("confidence", "near_copy"),
        ),
    )  # fmt: skip
    assert not line.is_real
    assert line.network_px == 16


def test_a_square_of_0_1_0_knows_its_side_and_what_it_was_stretched_from() -> None:
    (line,) = parse_lines(
        b'{"uri": "u", "sha256": "' + b"0" * 64 + b'", "width": 64, "height": 64, "label": "good", "fit": "stretch", '
        b'"stretched_from": [300, 160], "mask_uri": "m", "mask_sha256": "' + b"1" * 64 + b'"}\n'
    )
    assert line.origin == Origin(square_px=64, stretched_from=(300, 160))
    assert (line.network_px, line.upright_px, line.mask) == (64, (300, 160), MaskFile(uri="m", sha256="1" * 64))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"uri": "u", "sha256": "0", "width": 1, "height": 1, "label": "a"}', r"line 1: file\.sha256"),
        (b'{"format": 2, "uri": "u", "sha256": "%s", "width": 1, "height": 1, "label": "a", "hue": 3}', "hue"),
        (b'{"format": 3, "uri": "u", "sha256": "%s", "width": 1, "height": 1, "label": "a"}', r"line 1: file"),
        (b'{"format": 4, "file": {"uri": "u", "sha256": "%s", "width": 1, "height": 1}, "label": "a"}', "format"),
        (b"[1, 2]", "line 1"),
        (b'{"label": ', "no JSON"),
    ],
)
def test_a_line_that_is_none_is_refused_whatever_its_format(text: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        parse_lines(text.replace(b"%s", b"0" * 64) + b"\n", "m.jsonl")
    assert "m.jsonl, line 1" in str(caught.value)
