"""What commands say to a person of heat, verdicts and trainings: figures that can be, in words of the report."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from tests.unit.orchestrator.test_cli_classifier import recorded


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """Nine held-out photographs of good parts, ten of defective ones, and a classifier."""
    store = open_store(f"file://{tmp_path}/store")
    lines = []
    for label, count in (("good", 9), ("defect", 10)):
        for number in range(count):
            sha256 = f"{label}{number}".encode().hex().rjust(64, "0")
            file = PictureFile(uri=store.uri(sha256), sha256=sha256, width=8, height=8)
            lines.append(ManifestLine(file=file, label=label, split="validation"))
    write_dataset(store, "parts", lines, {})
    store.put("models/classifier/m/1/model.json", b"{}")
    return store


def said(store: ObjectStore, *arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, [*arguments, "--store", store.url], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_boxes_have_a_place_and_the_heat_of_what_is_coloured_in_them(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [
        explainer_pb2.Box(x=52, y=170, width=544, height=90, heat=0.57, peak=0.98),
        explainer_pb2.Box(x=9, y=8, width=7, height=6, heat=0.81, peak=0.9),
    ]
    answer = explainer_pb2.ExplainResponse(
        overlay=b"png", predicted_label="defect", label="defect", boxes=boxes, probabilities={"defect": 0.7}
    )
    recorded(monkeypatch, lambda _: answer, "explaining")
    (tmp_path / "part.png").write_bytes(b"x")
    shown, words = said(store, "explain", str(tmp_path / "part.png"), "--model", "m", "--out", str(tmp_path / "o.png"))
    assert (
        "544 x 90 px, 52 from the left and 170 from the top (where coloured: heat up to 98%, 57% on average); 7 x 6 px"
    ) in shown
    assert "of the heat" not in shown
    assert "heat: how much a place of the picture spoke for the label: 100% where most did" in words


def test_a_datasets_explanation_says_where_what_lies(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("s.json", json.dumps({"models": []}).encode())
    answer = explainer_pb2.ExplainImagesResponse(
        summary_uri=store.uri("s.json"), sheet_uri=store.uri("sheet.png"), explanations_uri=store.uri("e"), count=4
    )
    recorded(monkeypatch, lambda _: answer, "explaining")
    shown, _ = said(store, "explain", "parts", "--model", "m")
    assert shown.splitlines()[0].split(maxsplit=1) == ["dataset", "parts, 4 images of its test split"]
    assert not {word for word in shown.split() if "_" in word and "/" not in word}  # no key, such as sheet_uri


def test_verdicts_come_with_their_reasons_in_words(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = filter_pb2.FilterImagesResponse(
        manifest_uri=store.uri("datasets/parts/manifest.jsonl"), verdicts={"rejected": 5, "accepted": 3},
        reasons={"near_copy": 2, "confidence": 4}, warnings=["good: few are accepted"],
    )  # fmt: skip
    recorded(monkeypatch, lambda _: answer, "filtering")
    shown, _ = said(store, "filter", "parts", "--real", "parts", "--judge", "m", "--out", "kept")
    rows = dict(line.split("  ", 1) for line in shown.splitlines() if "  " in line)
    assert rows["verdicts"].strip() == "3 accepted, 5 rejected"
    assert "2: copies a training image" in rows["rejected"]
    assert "near_copy" not in shown
    assert shown.splitlines()[-1] == "! good: few are accepted"


@pytest.mark.parametrize(
    ("label", "more", "warned"),
    [("good", (), 1), ("defect", (), 0), ("good", ("--measured-images", "0"), 0)],
)
def test_a_training_warns_before_it_starts_that_its_best_cannot_be_measured(
    label: str, more: tuple[str, ...], warned: int, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = generator_pb2.Generator(name="g", version="1")
    services = recorded(monkeypatch, lambda _: generator_pb2.TrainGeneratorResponse(generator=generator), "generator")
    said(store, "generator", "train", "parts", "--label", label, "--name", "g", *more)
    assert len(services.warnings) == warned
    assert all(text.startswith("good: 9 validation images, and 10 are needed") for text in services.warnings)
