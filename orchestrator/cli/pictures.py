"""The images that a person names for classifying: files, all of a folder, or URIs of the store; in calls of a size."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from defectory.errors import Corrupted, DefectoryError, InvalidInput, NotFound, Refused
from orchestrator.cli.sources import meant_path

if TYPE_CHECKING:
    from defectory.api.classifier.v1.classifier_pb2 import ImageSource

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")  # of the formats that are decoded
OF_ONE_IMAGE = (InvalidInput, NotFound, Refused, Corrupted)  # errors that may be one image's alone


@dataclass(frozen=True)
class Named:
    """Images as they are named, and files of the folders that are none by their names."""

    images: list[str]
    left_out: list[str]


def named(arguments: Sequence[str]) -> Named:
    """Every image once, in the order of the arguments; those of a folder, and of folders in it, by name.

    Raises:
        NotFound: there is no such file or folder. InvalidInput: a folder without images.
    """
    images: dict[str, None] = {}
    left_out: list[str] = []
    for argument in arguments:
        if "://" in argument or Path(argument).is_file():
            images[argument] = None
        elif Path(argument).is_dir():
            files = sorted(path for path in Path(argument).rglob("*") if path.is_file() and path.name[0] != ".")
            of_it = [str(path) for path in files if path.suffix.lower() in SUFFIXES]
            if not of_it:
                right = f"name one with {', '.join(SUFFIXES)}"
                raise InvalidInput(f"the folder {argument} has no images: {right}", {"images": right})
            images.update(dict.fromkeys(of_it))
            left_out += [str(path) for path in files if path.suffix.lower() not in SUFFIXES]
        else:
            raise NotFound(f"there is no file or folder {argument}{meant_path(Path(argument), SUFFIXES)}")
    return Named(list(images), left_out)


def calls(
    images: Sequence[str], most: int, most_bytes: int, failed: dict[str, str]
) -> "Iterator[dict[str, ImageSource]]":
    """The images, parted into calls that a service takes: image -> classifier_pb2.ImageSource.

    Args:
        most, most_bytes: images of a call, and bytes of its files unless it has one alone.
        failed: gets what cannot be read -> why.
    """
    from defectory.api.classifier.v1 import classifier_pb2

    call: dict[str, ImageSource] = {}
    size = 0
    for image in images:
        try:
            content = None if "://" in image else Path(image).read_bytes()
        except OSError as error:
            failed[image] = f"cannot be read: {error.strerror}"
            continue
        more = len(content or b"")
        if call and (len(call) == most or size + more > most_bytes):
            yield call
            call, size = {}, 0
        source = classifier_pb2.ImageSource
        call[image] = source(uri=image) if content is None else source(content=content)
        size += more
    if call:
        yield call


def blamed(error: DefectoryError, images: Sequence[str]) -> tuple[str, str] | None:
    """(the image of a call that an error is about, what is wrong with it); None where it is about no single one."""
    for field, why in error.fields.items():
        match = re.match(r"images\[(\d+)\]", field)
        if match and int(match[1]) < len(images):
            return images[int(match[1])], why
    return None
