"""Arms: what a pipeline file may say of them, which steps they make, and what each is trained on."""

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import orchestrator
from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.arms import DEFAULT_ARMS, ArmSettings, colours
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import FILTER, INGEST, dataset_of, trained
from orchestrator.pipeline.run_record import RecordedPipeline
from orchestrator.pipeline.runner import run_line
from orchestrator.pipeline.settings import ClassifierSettings, PipelineSettings, resolve
from tests.unit.orchestrator.test_pipeline_runner import Answers, Silent, photos, settings_for

__all__ = ["photos"]  # a fixture
FIVE_LINES = """
arms:
  - baseline
  - expanded
  - name: even
    trains_on: balanced
    classifier: {epochs: 3}
"""
FOUR = [
    "baseline",
    "expanded",
    {"name": "raw", "trains_on": "synthetic"},
    {"name": "even", "trains_on": "balanced", "classifier": {"epochs": 3}},
]


def resolved(**values: Any) -> PipelineSettings:
    return resolve({"name": "x", "data": {"directory": "/photos"}, **values}, {})


def test_a_file_without_arms_has_the_two_that_there_always_were() -> None:
    assert resolved().arms == DEFAULT_ARMS
    assert [step.name for step in line_of(DEFAULT_ARMS)] == [
        "ingest", "baseline", "baseline-evaluate", "judge", "generators", "filter", "review", "expanded-dataset",
        "expanded", "expanded-evaluate", "explain", "report",
    ]  # fmt: skip


def test_five_lines_add_an_arm() -> None:
    arms = resolved(**yaml.safe_load(FIVE_LINES)).arms
    assert arms[:2] == DEFAULT_ARMS
    assert (arms[2].shown, arms[2].trains_on, dict(arms[2].classifier)) == ("even", "balanced", {"epochs": 3})
    steps = [step.name for step in line_of(arms)]
    assert {"even-dataset", "even", "even-evaluate"} <= set(steps)
    assert steps.index("even-evaluate") < steps.index("judge"), "what needs no synthetic image waits for none"


@pytest.mark.parametrize(
    ("arms", "why"),
    [
        (["baseline"], "at least 2"),
        (["baseline", "baseline"], "two arms are called 'baseline'"),
        (["baseline", {"name": "other", "trains_on": "filtered", "title": "real only"}], "'real only'"),
        (["expanded", "baseline"], "the first arm, expanded"),
        (["baseline", {"name": "other", "trains_on": "admired"}], "'reviewed' or 'edited+filtered'"),
        (["baseline", {"name": "edits", "trains_on": "real"}], "'edits' is the name of a step"),
        ([{"name": "other", "trains_on": "edited"}, "baseline"], "the first arm, other"),
        (["baseline", {"name": "other", "trains_on": "edited"}], "set edits.count"),
        (["baseline", {"name": "judge", "trains_on": "real"}], "'judge' is the name of a step"),
        (["baseline", {"name": "a-dataset", "trains_on": "real"}], "'a-dataset' is the name of a step"),
        (["baseline", {"name": "x", "trains_on": "real", "classifier": {"epoch": 3}}], "epoch"),
        (["baseline", {"name": "x", "trains_on": "real", "classifier": {"epochs": 0}}], "epochs 0: use a number at"),
        (["baseline", {"name": "x", "trains_on": "real", "colour": "red"}], "pattern"),
    ],
)
def test_arms_that_cannot_be_compared_are_refused(arms: list, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolved(arms=arms)
    assert why in str(caught.value)


def test_arms_without_synthetic_images_need_no_generator() -> None:
    arms = resolved(arms=["baseline", {"name": "turned", "trains_on": "augmented"}]).arms
    steps = [step.name for step in line_of(arms)]
    assert steps == [
        "ingest", "baseline", "baseline-evaluate", "turned", "turned-evaluate", "explain", "report",
    ]  # fmt: skip


def test_an_arms_settings_lie_over_the_pipelines() -> None:
    pipeline = ClassifierSettings(epochs=9, dropout=0.2)
    own = ArmSettings(name="x", trains_on="real", classifier={"epochs": 3}).classifier_settings(pipeline)
    assert (own.epochs, own.dropout, own.augment) == (3, 0.2, None)
    augmented = ArmSettings(name="x", trains_on="augmented")
    assert augmented.classifier_settings(pipeline).augment == 0.5
    assert augmented.classifier_settings(ClassifierSettings(augment=0.2)).augment == 0.2
    stronger = ArmSettings(name="x", trains_on="augmented", classifier={"augment": 1})
    assert stronger.classifier_settings(pipeline).augment == 1


def test_no_module_but_the_arms_own_knows_an_arm_by_name() -> None:
    names = {arm.name for arm in DEFAULT_ARMS} | {arm.shown for arm in DEFAULT_ARMS}
    knowing = set()
    for path in Path(orchestrator.__file__ or "").parent.rglob("*.py"):
        constants = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        if any(node.value in names for node in constants if isinstance(node.value, str)):
            knowing.add(path.name)
    assert knowing == {"arms.py"}


def test_every_arm_has_a_colour_of_its_own() -> None:
    arms = [*DEFAULT_ARMS, *(ArmSettings(name=f"a{i}", trains_on="real") for i in range(6))]
    assert len(set(colours(arms).values())) == 8
    assert colours(arms)["real only"] == "#8a5a00"


def test_four_arms_are_trained_on_what_they_say(photos: Path) -> None:
    for number in range(8):
        (photos / f"defect/{number}.png").unlink()  # four are left, beside twelve good ones
    store = MemoryStore()
    services = Answers(store)
    settings = settings_for(photos, arms=FOUR, classifier={"batch": 8, "epochs": 7})
    steps = [step for step in line_of(settings.arms) if step.name != "report"]
    outputs = run_line(steps, store, settings, services, Silent()).outputs
    asked = {r.name: r for method, r in services.asked if method == "TrainClassifier"}

    def training(arm: str) -> Counter[tuple[str, str]]:
        lines = read_manifest(store, asked[f"line.{arm}"].manifest_uri)
        return Counter((line.label, line.origin.kind) for line in lines if line.split == "train")

    real = outputs[INGEST].counts["train"]
    assert real["good"] > real["defect"]
    as_ingested = {("good", "real"): real["good"], ("defect", "real"): real["defect"]}
    both = {**as_ingested, ("good", "synthetic"): 10, ("defect", "synthetic"): 10}
    assert training("baseline") == as_ingested
    assert training("expanded") == training("raw") == both
    assert training("even") == {("good", "real"): real["good"], ("defect", "real"): real["good"]}
    first_made = [
        x.file.sha256 for x in read_manifest(store, outputs[FILTER].root["good"].rounds[0].synthetic_manifest_uri)
    ]
    raw = read_manifest(store, outputs[dataset_of("raw")].manifest_uri)
    of_label = [x.file.sha256 for x in raw if x.origin.kind == "synthetic" and x.label == "good"]
    assert of_label == first_made[:10], "as they were made, whatever the filter says of them"
    assert len({r.settings.steps_per_epoch for r in asked.values()}) == 1, "all arms and the judge"
    assert [asked[f"line.{arm}"].settings.epochs for arm in ("baseline", "expanded", "raw", "even", "judge")] == [
        7, 7, 7, 3, 7,
    ]  # fmt: skip
    (explained,) = [r for method, r in services.asked if method == "ExplainImages"]
    assert list(explained.models) == [
        outputs[trained(arm)].full_name for arm in ("baseline", "expanded", "raw", "even")
    ]


def test_an_arm_that_is_added_trains_nothing_else_anew(photos: Path) -> None:
    store = MemoryStore()

    def ran(arms: list) -> list[str]:
        settings = settings_for(photos, arms=arms)
        steps = [step for step in line_of(settings.arms) if step.name != "report"]
        return run_line(steps, store, settings, Answers(store), Silent()).ran

    ran(["baseline", "expanded"])
    assert ran(FOUR) == ["even-dataset", "even", "even-evaluate", "raw-dataset", "raw", "raw-evaluate", "explain"]


def test_an_arm_may_start_elsewhere_than_the_first(photos: Path) -> None:
    store = MemoryStore()
    services = Answers(store)
    drawn = {"name": "nothing", "trains_on": "real", "classifier": {"initial_weights": "random"}}
    settings = settings_for(photos, arms=["baseline", "expanded", drawn])
    steps = [step for step in line_of(settings.arms) if step.name != "report"]
    run_line(steps, store, settings, services, Silent())
    starts = {r.name: r.settings.initial_weights for method, r in services.asked if method == "TrainClassifier"}
    assert starts == {
        "line.baseline": "imagenet", "line.nothing": "random", "line.judge": "imagenet", "line.expanded": "imagenet",
    }  # fmt: skip


def test_a_recorded_arm_that_calls_its_recipe_by_the_name_of_before_is_read() -> None:
    written = {"name": "x", "trains_on": "real", "classifier": {"preset": "paper", "epochs": 3}}
    pipeline = RecordedPipeline(name="r", preset="", settings={"arms": [written]}, contract_version=1, versions={})
    assert pipeline.arms[0].classifier == {"recipe": "paper", "epochs": 3}
    with pytest.raises(ValueError, match="preset of a classifier is called recipe"):
        ArmSettings.model_validate(written)
