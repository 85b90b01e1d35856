"""Pictures and masks are those that their lines describe, or nothing is read of them."""

import hashlib

import pytest

from defectory.datasets import pictures
from defectory.datasets.manifest_line import ManifestLine, MaskFile, PictureFile
from defectory.datasets.pictures import LISTED, picture_of, pictures_of, with_masks
from defectory.errors import Corrupted, DefectoryError, NotFound, Refused
from defectory.storage import ObjectStore


def line(store: ObjectStore, number: int, *, uri: str = "", mask_known: bool = True) -> ManifestLine:
    """A line whose picture and mask are stored as it says."""
    data, mask = f"picture {number}".encode(), f"mask {number}".encode()
    store.put(f"pictures/{number}", data)
    store.put(f"masks/{number}", mask)
    sha256 = hashlib.sha256(data).hexdigest()
    mask_sha256 = hashlib.sha256(mask).hexdigest() if mask_known else ""
    return ManifestLine(
        file=PictureFile(uri=uri or store.uri(f"pictures/{number}"), sha256=sha256, width=1, height=1),
        label="good",
        mask=MaskFile(uri=store.uri(f"masks/{number}"), sha256=mask_sha256),
    )


def test_what_is_as_it_was_is_read_in_order(store: ObjectStore) -> None:
    lines = [line(store, number) for number in range(50)]
    assert list(pictures_of(store, lines)) == [f"picture {n}".encode() for n in range(50)]
    assert list(with_masks(store, lines)) == [(f"picture {n}".encode(), f"mask {n}".encode()) for n in range(50)]
    assert picture_of(store, lines[3]) == b"picture 3"
    assert list(pictures_of(store, [])) == []


@pytest.mark.parametrize("folder", ["pictures", "masks"])
def test_what_was_replaced_is_named_behind_all_others(
    store: ObjectStore, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [line(store, number) for number in range(20)]
    replaced = [3, 5, 7, 11, 13, 17, 19]
    for number in replaced:
        store.put(f"{folder}/{number}", b"another")
    contents: list[bytes | DefectoryError] = []
    with pytest.raises(Corrupted) as caught:
        contents.extend(both[folder == "masks"] for both in with_masks(store, lines))
    uris = [store.uri(f"{folder}/{number}") for number in replaced]
    assert [n for n, content in enumerate(contents) if isinstance(content, Corrupted)] == replaced
    assert f"{len(replaced)} of 40" in str(caught.value)
    assert all(uri in str(caught.value) for uri in uris[:LISTED])
    assert f"and {len(replaced) - LISTED} more" in str(caught.value)
    assert all(uri in caplog.text for uri in uris)
    assert pictures.log.name in {record.name for record in caplog.records}


def test_one_alone_is_refused_at_once(store: ObjectStore) -> None:
    one = line(store, 1)
    store.put("pictures/1", b"another")
    with pytest.raises(Corrupted, match="pictures/1"):
        picture_of(store, one)


def test_what_is_absent_or_outside_hides_nothing(store: ObjectStore) -> None:
    lines = [
        line(store, 0),
        line(store, 1, uri=store.uri("none")),
        line(store, 2, uri="file:///etc/passwd"),
        line(store, 3),
    ]
    assert [type(content) for content in pictures_of(store, lines)] == [bytes, NotFound, Refused, bytes]


def test_masks_of_which_no_hash_is_known_are_read_as_before(store: ObjectStore) -> None:
    old = line(store, 1, mask_known=False)
    store.put("masks/1", b"another")
    assert list(with_masks(store, [old])) == [(b"picture 1", b"another")]
