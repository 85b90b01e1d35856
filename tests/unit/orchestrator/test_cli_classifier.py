"""The classifier's commands: what they ask of the services, and what they print."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.explainer.v1 import explainer_pb2
from defectory.datasets.manifest import content_hash, write_dataset
from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.errors import InvalidInput, NotFound
from defectory.exit_codes import EXIT_CODES
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.doubted import against, line_of, not_promised
from orchestrator.cli.main import app
from orchestrator.cli.options import Session
from orchestrator.pipeline.display import Display
from services.classifier.bundle import weights_bytes
from tests.contract.datasets import make_dataset
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively


class Recorded:
    """In place of a session's services: keeps what is asked, and answers."""

    def __init__(self, answer: Callable[[Any], Message]) -> None:
        self.clients = self
        self.asked: list[Any] = []
        self.steps: list[str] = []
        self.doubts: list[str] = []
        self.warnings: list[str] = []
        self._answer = answer

    def operate(self, method: object, request: Message, on_report: Callable[..., None]) -> Message:
        return self.call(method, request)

    def call(self, method: object, request: Message) -> Message:
        self.asked.append(request)
        return self._answer(request)

    def report(self, report: object) -> None:
        """Nothing is shown."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.steps.append(name)
        yield

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def doubt(self, text: str) -> None:
        self.doubts.append(text)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    make_dataset(store)
    return store


@pytest.fixture
def classifiers(store: ObjectStore) -> None:
    """Two that images can be explained by."""
    for name in ("a", "m"):
        store.put(f"models/classifier/{name}/1/model.json", b"{}")


def recorded(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], Message], module: str = "classifier_work"
) -> Recorded:
    services = Recorded(answer)

    @contextmanager
    def session(*_: str, **__: object) -> Iterator[Recorded]:
        yield services

    monkeypatch.setattr(f"orchestrator.cli.{module}.session", session)
    return services


def said(store: ObjectStore, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--store", store.url])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def trained(store: ObjectStore) -> Callable[[Any], Message]:
    error = {"ece_before": 0.1, "ece_after": 0.05, "images": 13}
    card = {"operating_point": None, "calibration": {"temperature": 1.0, "validation": error}}
    skipped = [(store.uri(f"images/{i}.png"), "broken") for i in range(5)]
    store.put("m/model.json", json.dumps(card).encode())
    store.put("m/metrics.json", json.dumps({"skipped": skipped}).encode())
    classifier = pb.Classifier(
        name="x", version="1", card_uri=store.uri("m/model.json"), metrics_uri=store.uri("m/metrics.json")
    )
    return lambda request: pb.TrainClassifierResponse(classifier=classifier)


def test_probabilities_that_were_fitted_on_few_images_are_warned_of(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = recorded(monkeypatch, trained(store))
    printed = said(store, "classifier", "train", "parts", "--name", "x")
    (warning,) = services.warnings
    assert warning.startswith(
        "probabilities are fitted on 13 validation images, fewer than 30: even if all of them were right"
    )
    assert re.search(r"fitted_on +13 validation images", printed)


def useless(images: int = 40) -> dict[str, object]:
    """A card of a classifier with 7 of 13 test images right, where passing every part gives 9."""
    error = {"ece_before": 0.1, "ece_after": 0.05, "images": images}
    missed, false_alarms = {"count": 3, "of": 4}, {"count": 3, "of": 9}
    point = {"good": "good", "test": {"escape": missed, "overkill": false_alarms}, "validation": None}
    return {"operating_point": point, "calibration": {"temperature": 1.0, "validation": error}}


NO_USE = "on its 13 test images this classifier is no better than passing every part: it gets 7 of them right"


def test_what_is_no_better_than_passing_every_part_is_warned_of_before_its_probabilities() -> None:
    first, second = against(useless(images=13))
    assert first.startswith(NO_USE)
    assert second.startswith("probabilities are fitted on 13 validation images")
    assert against({"operating_point": None, "calibration": {"validation": {"images": 40}}}) == []


def asked_for(target: str, value: float, escape: tuple[int, int], overkill: tuple[int, int]) -> dict[str, object]:
    """A card of a classifier whose line was drawn to meet a target on validation images."""
    rates = {name: {"count": count, "of": of} for name, (count, of) in (("escape", escape), ("overkill", overkill))}
    return {"operating_point": {
        "good": "good", "threshold": 0.5728, "target": target, "target_value": value, "validation": rates, "test": None,
    }}  # fmt: skip


def test_where_the_line_is_drawn_is_said_with_what_it_does() -> None:
    assert line_of(asked_for("recall", 0.99, (0, 4), (3, 9))) == (
        "a part is rejected from a probability of being defective of 0.573 on: of the validation images 4 of 4 "
        "defective ones are caught, and 3 of 9 good ones rejected"
    )
    assert line_of({"operating_point": None}) == ""


@given(st.integers(0, 400), st.floats(0.5, 0.999))
def test_a_target_is_a_promise_once_clopper_and_pearson_say_so(of: int, value: float) -> None:
    caught_low = proportion_confint(of + 1, of + 1, alpha=0.05, method="beta")[0]
    said = not_promised(asked_for("recall", value, (0, of + 1), (0, 9)))
    assert bool(said) == (caught_low < value)
    rejected_high = proportion_confint(0, of + 1, alpha=0.05, method="beta")[1]
    said = not_promised(asked_for("overkill", 1 - value, (0, 4), (0, of + 1)))
    assert bool(said) == (rejected_high > 1 - value)


def test_four_defects_cannot_promise_99_of_100() -> None:
    assert not_promised(asked_for("recall", 0.99, (0, 4), (0, 9))) == (
        "4 defective validation images cannot promise to catch 99%: 4 of 4 being caught, the share of all defective "
        "parts that are caught may be as low as 40%"
    )


@pytest.mark.parametrize(("version", "doubted"), [("7", True), ("8", False)])  # 8 lies in another store
def test_answers_of_such_a_classifier_come_with_a_note(
    version: str, doubted: bool, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("models/classifier/parts/7/model.json", json.dumps(useless()).encode())
    answer = pb.ClassifyResponse(
        classifications=[pb.Classification(label="good", decision="good", probabilities={"good": 0.9})],
        model_version=version, calibrated_on=40,
    )  # fmt: skip
    recorded(monkeypatch, lambda _: answer, "classifying")
    (tmp_path / "part.png").write_bytes(b"x")
    arguments = ("classifier", "classify", "parts", str(tmp_path / "part.png"), "--server", "line4:50052")
    assert json.loads(said(store, *arguments, "--json"))["no_use"].startswith(NO_USE) == doubted
    done = CliRunner().invoke(app, [*arguments, "--store", store.url])
    assert (f"note: {NO_USE}" in done.stderr) == doubted


def test_answers_on_own_training_images_come_with_a_note(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PictureFile(uri=store.uri("x"), sha256=sha256(b"known").hexdigest(), width=8, height=8)
    lines = [ManifestLine(file=file, label="good", split="train")]
    lineage = {"manifest_uri": write_dataset(store, "shots", lines, {}), "content_hash": content_hash(lines)}
    store.put("models/classifier/parts/7/model.json", json.dumps({**useless(), "lineage": lineage}).encode())

    def answer(request: pb.ClassifyRequest) -> pb.ClassifyResponse:
        one = pb.Classification(label="good", decision="good", probabilities={"good": 0.9})
        return pb.ClassifyResponse(classifications=[one] * len(request.images), model_version="7", calibrated_on=40)

    recorded(monkeypatch, answer, "classifying")
    known, new = tmp_path / "known.png", tmp_path / "new.png"
    known.write_bytes(b"known")
    new.write_bytes(b"new")
    arguments = ("classifier", "classify", "parts", str(known), str(new), "--server", "line4:50052")
    assert json.loads(said(store, *arguments, "--json"))["learned_from"]["train"] == [str(known)]
    done = CliRunner().invoke(app, [*arguments, "--store", store.url])
    assert "note: 1 of these 2 images is a photograph that the model was trained on" in done.stderr


def test_every_setting_of_a_training_is_an_option(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    services = recorded(monkeypatch, trained(store))
    values = "--cycles 2 --initial-weights random --steps-per-epoch 7 --l2 0.5 --patience 0 --no-mirror-x"
    said(store, "classifier", "train", "parts", "--name", "x", *values.split())
    (request,) = services.asked
    assert request.cycles == 2
    assert (request.settings.initial_weights, request.settings.steps_per_epoch) == ("random", 7)
    assert request.settings.l2 == 0.5
    assert (request.settings.HasField("patience"), request.settings.HasField("mirror_x")) == (True, True)
    assert not request.settings.HasField("mirror_y")


def test_training_and_evaluation_say_how_many_images_were_skipped(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(monkeypatch, trained(store))
    text = said(store, "classifier", "train", "parts", "--name", "x")
    assert re.search(r"^skipped +5: 0\.png, 1\.png, 2\.png, …$", text, re.MULTILINE)
    printed = json.loads(said(store, "classifier", "train", "parts", "--name", "x", "--json"))
    assert [reason for _, reason in printed["skipped"]] == ["broken"] * 5

    store.put("models/classifier/x/1/model.json", b"{}")
    store.put("e.json", json.dumps({"skipped": [("a/b.png", "broken")]}).encode())
    recorded(monkeypatch, lambda _: pb.EvaluateClassifierResponse(evaluation_uri=store.uri("e.json")))
    lines = said(store, "classifier", "evaluate", "x", "--dataset", "parts").splitlines()
    assert ["skipped", "1: b.png"] in [line.split(maxsplit=1) for line in lines]


def test_a_card_is_listed_and_shown_for_a_person(store: ObjectStore) -> None:
    _, card = bundle(store, weights_bytes(lively(ARCHITECTURE)))
    golden = {"jpeg": "A" * 3000, "probabilities": [[0.5, 0.5]] * 4}
    several = {"f1": {"mean": 0.91234, "low": 0.88, "high": 0.94}, "loss": {"mean": 0.1, "low": None, "high": None}}
    whole = json.loads(card.model_dump_json()) | {"golden": golden, "metrics": {"validation": several, "test": several}}
    store.put("models/classifier/judge/1/model.json", json.dumps(whole).encode())
    header, row = said(store, "classifier", "list").splitlines()
    assert header.split() == ["model", "labels", "input_px", "cycles", "weights_sha256"]
    assert row.split()[-2:] == ["1", card.weights.sha256]
    (listed,) = json.loads(said(store, "classifier", "list", "--json"))["classifiers"]
    assert listed["weights_sha256"] == card.weights.sha256

    text = said(store, "classifier", "show", "judge")
    assert max(map(len, text.splitlines())) < 210
    assert "AAAA" not in text
    assert "architecture.input_px" in text
    lines = text.splitlines()
    at = lines.index("metrics, mean of 1 training")
    assert lines[at + 1].split() == ["f1", "loss"]
    assert lines[at + 2].split("  ") == ["validation", "0.9123 (0.88 to 0.94)", "0.1"]
    assert "served operating_point.threshold" in text
    shown = json.loads(said(store, "classifier", "show", "judge", "--json"))
    assert shown["golden"] == golden
    assert shown["metrics"] == whole["metrics"]


def test_a_card_says_which_training_is_served_and_tells_what_was_asked_for_from_what_was_taken(
    store: ObjectStore,
) -> None:
    _, card = bundle(store, weights_bytes(lively(ARCHITECTURE)))
    whole = json.loads(card.model_dump_json())
    first = whole["cycles"][0]
    whole |= {"cycles": [first | {"seed": seed} for seed in (7, 8, 9)], "main_cycle": 2}
    whole["settings"] = {"initial_weights": "imagenet"}
    whole["lineage"] |= {"initial_weights": "starter"}
    store.put("models/classifier/judge/1/model.json", json.dumps(whole).encode())
    lines = [re.split("  +", line) for line in said(store, "classifier", "show", "judge").splitlines()]
    assert ["served training", "3 of 3"] in lines
    assert ["settings.initial_weights, asked for", "imagenet"] in lines
    assert ["lineage.started from", "starter"] in lines
    assert ["preprocessing.bits of 16-bit pictures", "16"] in lines
    assert ["preprocessing.colour as read", "rgb"] in lines
    at = lines.index(["cycles"])
    assert lines[at + 1][:2] == ["training", "seed"]
    assert [row[:2] for row in lines[at + 2 : at + 5]] == [["1", "7"], ["2", "8"], ["3", "9"]]
    assert not any("main_cycle" in line[0] for line in lines)
    assert json.loads(said(store, "classifier", "show", "judge", "--json"))["main_cycle"] == 2


def test_an_evaluation_shows_its_confusion_as_a_table(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("models/classifier/x/1/model.json", b"{}")
    figures = {"images": 5, "precision": 0.8, "recall": 0.8, "f1": 0.8}
    decisions = {
        "confusion": [[4, 1], [1, 4]],
        "labels": {"defect": figures, "good": figures},
        "escapes": {"crack": {"count": 1, "of": 5, "low": 0.005, "high": 0.716}},
    }
    store.put("e.json", json.dumps({"skipped": [], "decisions": decisions}).encode())
    answer = pb.EvaluateClassifierResponse(evaluation_uri=store.uri("e.json"), metrics={"f1": 0.8})
    recorded(monkeypatch, lambda _: answer)
    lines = said(store, "classifier", "evaluate", "x", "--dataset", "parts").splitlines()
    at = lines.index("confusion")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["defect", "good"], ["defect", "4", "1"], ["good", "1", "4"],
    ]  # fmt: skip
    assert ["missed defects.crack", "1 of 5 (0.5% to 71.6%)"] in [re.split("  +", line) for line in lines]
    printed = json.loads(said(store, "classifier", "evaluate", "x", "--dataset", "parts", "--json"))
    assert printed["confusion"] == [[4, 1], [1, 4]]


def test_many_images_are_classified_in_calls_that_a_service_takes(
    tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.cli.classifying.CALL_BYTES", 1000)

    def answer(request: pb.ClassifyRequest) -> pb.ClassifyResponse:
        classifications = [
            pb.Classification(
                label="good", decision="defect", probabilities={"good": 0.6, "defect": 0.4},
                rejected=None if image.uri else True,
            )
            for image in request.images
        ]  # fmt: skip
        return pb.ClassifyResponse(classifications=classifications, model_version="7", calibrated_on=9)

    services = recorded(monkeypatch, answer, "classifying")
    files = [tmp_path / f"{i}.png" for i in range(5)]
    for file, size in zip(files, (0, 400, 700, 2000, 10), strict=True):
        file.write_bytes(b"x" * size)
    uris = [f"s3://bucket/{i}.png" for i in range(300)]
    text = said(store, "classifier", "classify", "parts", *map(str, files), *uris, "--server", "line4:50052")
    sizes = [[len(image.content) for image in request.images if not image.uri] for request in services.asked]
    assert sizes == [[0, 400], [700], [2000], [10], []]
    assert [len(request.images) for request in services.asked] == [2, 1, 1, 256, 45]
    assert [request.model for request in services.asked] == ["parts"] + ["parts/7"] * 4
    assert services.steps == ["classify 305 images"]
    assert text.splitlines()[0].split() == ["image", "label", "probability", "decision", "rejected"]
    assert text.splitlines()[1].split() == [str(files[0]), "good", "0.6", "defect", "yes"]
    rows = json.loads(said(store, "classifier", "classify", "parts", str(files[1]), uris[0], "--json",
                           "--server", "line4:50052"))  # fmt: skip
    assert [row["rejected"] for row in rows["classifications"]] == [True, None]
    assert rows["caution"].startswith("probabilities are fitted on 9 validation images, fewer than 30")


def test_the_store_is_opened_once_and_only_a_server_that_is_named_needs_none_here(
    tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = pb.ClassifyResponse(
        classifications=[pb.Classification(label="good", probabilities={"good": 1})], model_version="1"
    )
    recorded(monkeypatch, lambda _: answer, "classifying")
    store.put("models/classifier/parts/1/model.json", b"{}")
    part = tmp_path / "part.png"
    part.write_bytes(b"x")
    opened: list[str] = []

    def opening(url: str, **options: bool) -> ObjectStore:
        opened.append(url)
        return open_store(url, **options)

    monkeypatch.setattr("orchestrator.cli.options.open_store", opening)
    asked = ["classifier", "classify", "parts", str(part), "--json", "--store"]
    for named in ([], ["--server", "line4:50052"]):
        opened.clear()
        CliRunner().invoke(app, [*asked, store.url, *named], catch_exceptions=False)
        assert opened == [store.url]
    nowhere = f"file://{tmp_path}/nowhere"
    done = CliRunner().invoke(app, [*asked, nowhere, "--server", "line4:50052"], catch_exceptions=False)
    assert (json.loads(done.stdout)["count"], json.loads(done.stdout)["no_use"]) == (1, "")
    with pytest.raises(NotFound, match="there is no store"):
        CliRunner().invoke(app, [*asked, nowhere], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("part.png", "--model", "a", "--model", "b"), "InvalidInput", "--model is given 2 times"),
        (("part.png", "--model", "a", "--split", "train"), "InvalidInput", "--split"),
        (("part.png", "--model", "a", "--limit", "3"), "InvalidInput", "--limit"),
        (("parts", "--model", "a", "--label", "good"), "InvalidInput", "--label"),
        (("parts", "--model", "a", "--out", "x.png"), "InvalidInput", "--out"),
        (
            ("prat.png", "--model", "a", "--out", "why.png"),
            "NotFound",
            "there is no file prat.png, and no dataset of that name",
        ),
    ],
)
def test_explain_refuses_what_would_change_nothing(
    arguments: tuple[str, ...], kind: str, message: str, store: ObjectStore, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("part.png").write_bytes(b"x")
    done = CliRunner().invoke(app, ["explain", *arguments, "--store", store.url])
    assert type(done.exception).__name__ == kind, done.exception
    assert message in str(done.exception)


@pytest.mark.usefixtures("classifiers")
def test_explaining_a_file_says_that_it_works(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = recorded(monkeypatch, lambda _: explainer_pb2.ExplainResponse(overlay=b"png"), "explaining")
    monkeypatch.chdir(tmp_path)
    Path("part.png").write_bytes(b"x")
    said(store, "explain", "part.png", "--model", "a")
    assert services.steps == ["explain part.png"]
    assert Path("overlay.png").read_bytes() == b"png"


@pytest.mark.usefixtures("classifiers")
def test_a_folder_is_explained_image_by_image_and_a_broken_one_is_named(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Any) -> Message:
        if request.image.content == b"broken":
            raise InvalidInput("image: it is broken", {"image": "it is broken"})
        return explainer_pb2.ExplainResponse(overlay=b"why " + request.image.content, predicted_label="good")

    services = recorded(monkeypatch, answer, "explaining")
    monkeypatch.chdir(tmp_path)
    for name, content in (("a.png", b"1"), ("deep/a.jpg", b"2"), ("bad.png", b"broken"), ("notes.txt", b"3")):
        (tmp_path / "shots" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shots" / name).write_bytes(content)
    done = CliRunner().invoke(app, ["explain", "shots", "--model", "m", "--out", "why", "--json", "--store", store.url])
    assert done.exit_code == EXIT_CODES[InvalidInput], done.output
    assert services.steps == ["explain 3 images"]
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in Path(tmp_path, "why").rglob("*.*")}
    assert written == {"why/a.png.png": b"why 1", "why/deep/a.jpg.png": b"why 2"}
    result = json.loads(done.stdout)
    assert [one["image"] for one in result["explanations"]] == ["shots/a.png", "shots/deep/a.jpg"]
    assert result["failed"] == [{"image": "shots/bad.png", "error": "image: it is broken"}]


@pytest.mark.usefixtures("classifiers")
def test_a_dataset_comes_before_the_folder_that_it_was_made_from(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = recorded(monkeypatch, lambda _: explainer_pb2.ExplainResponse(overlay=b"png"), "explaining")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/1.png").write_bytes(b"x")
    said(store, "explain", "parts/", "--model", "a")
    assert services.steps == ["explain parts/1.png"]
    refused = CliRunner().invoke(app, ["explain", "parts", "--model", "a", "--out", "x", "--store", store.url])
    assert "it says nothing of a dataset" in str(refused.exception)


def test_exports_of_two_formats_lie_side_by_side_in_one_folder(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(store, weights_bytes(lively(ARCHITECTURE)))

    def answer(request: Any) -> Message:
        prefix = f"exports/{request.format}"
        for name in ("model.tflite", "export.json"):
            store.put(f"{prefix}/{name}", request.format.encode())
        files = [store.uri(f"{prefix}/{name}") for name in ("model.tflite", "export.json")]
        differs = request.format == "tflite-int8"
        return pb.ExportClassifierResponse(
            uri=store.uri(prefix), files=files, images=20, agreement=0.7 if differs else 1, differs=differs
        )

    services = recorded(monkeypatch, answer)
    for format_ in ("tflite", "tflite-int8"):
        said(store, "classifier", "export", "judge", "--format", format_, "--out", str(tmp_path / "out"))
    files = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.*")}
    assert files == {
        f"{format_}/{name}": format_
        for format_ in ("tflite", "tflite-int8")
        for name in ("model.tflite", "export.json")
    }
    (doubt,) = services.doubts
    assert "of 20 test images the tflite-int8 gives 70% the original's label" in doubt


def test_a_doubtful_step_has_no_tick() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    session = Session(cast(Any, None), Display(console))
    with session.step("export parts/1"):
        session.doubt("it differs")
    with session.step("export parts/1"):
        pass
    shown = console.file.getvalue().splitlines()
    assert [line[:1] for line in shown] == ["▶", "✘", "▶", "✔"]
    assert "it differs" in shown[1]


@pytest.mark.usefixtures("classifiers")
@pytest.mark.parametrize(("cells", "warned"), [((1, 1), True), ((2, 4), True), ((3, 3), False), ((7, 7), False)])
def test_heat_of_few_cells_says_that_it_cannot_say_where(
    cells: tuple[int, int], warned: bool, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = explainer_pb2.ExplainResponse(
        overlay=b"png", heat_rows=cells[0], heat_columns=cells[1], unclear="too coarse" if warned else ""
    )
    of_file = recorded(monkeypatch, lambda _: answer, "explaining")
    (tmp_path / "part.png").write_bytes(b"x")
    out = ("--out", str(tmp_path / "why.png"))
    printed = json.loads(said(store, "explain", str(tmp_path / "part.png"), "--model", "m", *out, "--json"))
    assert printed["cells"] == list(cells)
    assert printed["unclear"] == ("too coarse" if warned else "")
    bundle(store, weights_bytes(lively(ARCHITECTURE)))
    store.put("summary.json", json.dumps({"models": [{"model": "judge/1", "cells": cells}]}).encode())
    many = explainer_pb2.ExplainImagesResponse(summary_uri=store.uri("summary.json"))
    of_dataset = recorded(monkeypatch, lambda _: many, "explaining")
    said(store, "explain", "parts", "--model", "judge")
    for services, model in ((of_file, "m"), (of_dataset, "judge/1")):
        assert [f"{model}: The heatmaps have {cells[0]}×{cells[1]} cells only" in x for x in services.warnings] == (
            [True] if warned else []
        )
