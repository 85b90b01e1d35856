"""Write the files beside this one: the same six pictures, as annotation tools write them in the versions named below.

Run by hand in an environment of its own, since the tools bring hundreds of megabytes; with the names of those there:

    pip install datumaro==1.13.12 label-studio-sdk==2.1.2 && python make.py datumaro label-studio label-studio-parts
    pip install fiftyone==1.22.1 && python make.py fiftyone

    picture  split  what a person said
    a        train  good
    b        train  scratch, and a box around it
    c        test   hole and scratch, in this order, and a polygon around the hole: (1, 1), (8, 1), (8, 8)
    d        test   nothing
    e        train  (Datumaro) hole, and a mask of columns 5 to 8 and rows 4 to 7; (others) good, twice, by two people
    f        test   (Datumaro) good; (others) good by one, hole by the other

Label Studio has a seventh, g, that somebody opened and submitted without an answer, and an eighth, h, that was skipped.
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 20, 16
LABELS = ("good", "scratch", "hole")


def draw(folder: Path, name: str) -> Path:
    """A picture in one colour of its own."""
    path = folder / f"{name}.png"
    Image.new("RGB", (WIDTH, HEIGHT), (40 * "abcdefgh".index(name), 90, 160)).save(path)
    return path


def datumaro(pictures: Path) -> None:
    """The formats that name labels."""
    from datumaro.components.annotation import Bbox, Label, Mask, Polygon
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Picture

    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[4:8, 5:9] = True
    said = {
        "a": ("train", [Label(0)]),
        "b": ("train", [Label(1), Bbox(2, 3, 5, 6, label=1)]),
        "c": ("test", [Label(2), Label(1), Polygon([1, 1, 8, 1, 8, 8], label=2)]),
        "d": ("test", []),
        "e": ("train", [Label(2), Mask(mask, label=2)]),
        "f": ("test", [Label(0)]),
    }
    dataset = Dataset.from_iterable(
        [
            DatasetItem(
                name, subset=subset, media=Picture.from_file(str(draw(pictures, name))), annotations=annotations
            )
            for name, (subset, annotations) in said.items()
        ],
        categories=list(LABELS),
    )
    for form in ("coco", "coco_instances", "datumaro", "cvat", "imagenet", "imagenet_txt", "imagenet_with_subset_dirs"):
        folder = HERE / "datumaro-1.13.12" / form
        shutil.rmtree(folder, ignore_errors=True)
        dataset.export(str(folder), form, save_media=True)


def label_studio(_: Path) -> None:
    """A project of choices, several allowed."""
    from label_studio_sdk.converter import Converter

    view = (
        '<View><Image name="image" value="$image"/><Choices name="choice" toName="image" choice="multiple">'
        + "".join(f'<Choice value="{label}"/>' for label in LABELS)
        + "</Choices></View>"
    )
    answers = {
        "a": [["good"]], "b": [["scratch"]], "c": [["hole", "scratch"]], "d": [], "e": [["good"], ["good"]],
        "f": [["good"], ["hole"]], "g": [None], "h": [["hole"]],
    }  # fmt: skip
    tasks = []
    for number, (name, said) in enumerate(answers.items(), start=1):
        annotations = [
            {
                "id": 10 * number + person,
                "completed_by": {"id": person, "email": f"person{person}@example.com"},
                "result": [
                    {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": choices}}
                ]
                * (choices is not None),
                "was_cancelled": name == "h",
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "lead_time": 1.0,
            }
            for person, choices in enumerate(said, start=1)
        ]  # fmt: skip
        address = f"/data/upload/1/1f2a3b4c-{name}.png"
        tasks.append({"id": number, "data": {"image": address}, "annotations": annotations, "predictions": []})
    with TemporaryDirectory() as folder:
        (Path(folder) / "tasks.json").write_text(json.dumps(tasks))
        for form in ("JSON", "JSON_MIN", "CSV", "TSV"):
            out = HERE / "label-studio-sdk-2.1.2" / form
            shutil.rmtree(out, ignore_errors=True)
            converter = Converter(view, project_dir=folder, download_resources=False)
            converter.convert(str(Path(folder) / "tasks.json"), str(out), form, is_dir=False)
            for name in answers:
                draw(out, name)


def label_studio_parts(_: Path) -> None:
    """A project in which parts are drawn: a a polygon, b two strokes of a brush, c a turned rectangle, d a choice."""
    from label_studio_sdk.converter import Converter, brush

    kinds = {"polygonlabels": "Polygon", "brushlabels": "Brush", "rectanglelabels": "Rectangle"}
    labels = "".join(f'<Label value="{label}"/>' for label in LABELS)
    controls = "".join(
        f'<{kind}Labels name="{kind.lower()}" toName="image">{labels}</{kind}Labels>' for kind in kinds.values()
    )
    choices = "".join(f'<Choice value="{label}"/>' for label in LABELS)
    view = (
        f'<View><Image name="image" value="$image"/>{controls}'
        f'<Choices name="choice" toName="image">{choices}</Choices></View>'
    )
    painted = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    painted[0, 4:8, 5:9] = 255
    painted[1, 12, 3:15] = 255
    answers: dict[str, list[tuple[str, dict[str, object]]]] = {
        "a": [("polygonlabels", {"points": [[10, 25], [50, 25], [50, 75], [10, 75]], "polygonlabels": ["hole"]})],
        "b": [
            ("brushlabels", {"format": "rle", "rle": brush.mask2rle(stroke), "brushlabels": ["scratch"]})
            for stroke in painted
        ],
        "c": [
            ("rectanglelabels",
             {"x": 40, "y": 25, "width": 40, "height": 6.25, "rotation": 90, "rectanglelabels": ["scratch"]})
        ],
        "d": [("choices", {"choices": ["good"]})],
    }  # fmt: skip
    tasks = []
    for number, (name, said) in enumerate(answers.items(), start=1):
        results = [
            {"id": f"{name}{place}", "from_name": kinds.get(kind, "choice").lower(), "to_name": "image", "type": kind,
             "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "value": value}
            for place, (kind, value) in enumerate(said)
        ]  # fmt: skip
        annotation = {
            "id": number, "completed_by": {"id": 1, "email": "person1@example.com"}, "result": results,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "lead_time": 1.0,
        }  # fmt: skip
        address = f"/data/upload/1/1f2a3b4c-{name}.png"
        tasks.append({"id": number, "data": {"image": address}, "annotations": [annotation], "predictions": []})
    with TemporaryDirectory() as folder:
        (Path(folder) / "tasks.json").write_text(json.dumps(tasks))
        for form in ("JSON", "JSON_MIN"):
            out = HERE / "label-studio-sdk-2.1.2" / f"{form}_parts"
            shutil.rmtree(out, ignore_errors=True)
            converter = Converter(view, project_dir=folder, download_resources=False)
            converter.convert(str(Path(folder) / "tasks.json"), str(out), form, is_dir=False)
            for name in answers:
                draw(out, name)


def fiftyone(pictures: Path) -> None:
    """The exporters alone: a dataset would need a database."""
    from fiftyone import Classification, Classifications
    from fiftyone.utils.data import exporters

    said = {
        "a": Classification(label="good"), "b": Classification(label="scratch"),
        "c": Classifications(classifications=[Classification(label="hole"), Classification(label="scratch")]),
        "d": None, "e": Classification(label="good"), "f": Classification(label="hole", confidence=0.5),
    }  # fmt: skip
    folder = HERE / "fiftyone-1.22.1"
    shutil.rmtree(folder, ignore_errors=True)
    for exporter in (
        exporters.FiftyOneImageClassificationDatasetExporter(str(folder / "numbers"), classes=list(LABELS)),
        exporters.FiftyOneImageClassificationDatasetExporter(str(folder / "names"), include_confidence=True),
        exporters.ImageClassificationDirectoryTreeExporter(str(folder / "tree")),
    ):
        one_label = isinstance(exporter, exporters.ImageClassificationDirectoryTreeExporter)
        with exporter:
            for name, label in said.items():
                if not (one_label and isinstance(label, Classifications)):  # the tree has room for one
                    exporter.export_sample(str(draw(pictures, name)), label)


if __name__ == "__main__":
    with TemporaryDirectory() as pictures:
        for tool in sys.argv[1:]:
            writers = {
                "datumaro": datumaro, "label-studio": label_studio, "label-studio-parts": label_studio_parts,
                "fiftyone": fiftyone,
            }  # fmt: skip
            writers[tool](Path(pictures))
