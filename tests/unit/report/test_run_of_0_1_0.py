"""A run that version 0.1.0 finished, before arms were settings: it is still reported, and its steps are known again.

Its store lay at file:///srv/store, and was moved: documents of that version name their places by whole URIs.
"""

import re
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from orchestrator.pipeline.arms import FIRST_ARMS
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import (
    FILTER,
    GENERATORS,
    INGEST,
    JUDGE,
    REPORT,
    Outputs,
    Reviewed,
    dataset_of,
    evaluated,
    trained,
)
from orchestrator.pipeline.plan import decide
from orchestrator.pipeline.presets import preset
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.settings import resolve
from orchestrator.pipeline.step import StepInputs
from orchestrator.report import build_report

FILES = Path(__file__).parents[2] / "files/run_of_0_1_0.tar.xz"  # of `make demo`: its documents, without pictures


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    with tarfile.open(FILES) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            store.put(member.name, file.read())
    return store


def test_it_is_reported(store: ObjectStore) -> None:
    html, summary, _ = build_report(store, "demo")
    page = html.decode()
    assert summary.doubts == [
        "Good: only 31 of the 60 synthetic images wanted were accepted, of 330 that were made.",
        "Good: the generator has not learned enough, so expect blurred or strange images: 299 of 330 were rejected. "
        "Train it longer (generator.kimg).",
    ]
    assert summary.verdict == (
        "This run cannot tell whether the synthetic images helped: fewer synthetic images than wanted were accepted."
    )
    assert summary.details[0].startswith(  # the bound as R's binom.test has it
        "“real only” is the classifier to go on with, as no other is shown to be better. It lets 3 of 24 defects "
        "through (with so few, the true share may be up to 32%), and rejects 5 of 48 good photographs."
    )
    assert summary.details[1] == (
        "Of each arm's training that is served: "
        "missed defects (defective photographs that went through as good): real only 3 of 24, "
        "real + synthetic 5 of 24; "
        "false alarms (good photographs that were rejected): real only 5 of 48, real + synthetic 2 of 48."
    )
    difference = summary.differences["expanded"]
    assert (difference.f1_by_group.low, difference.f1_by_group.high) == (
        pytest.approx(-0.090, abs=5e-4), pytest.approx(0.023, abs=5e-4),
    )  # fmt: skip
    assert summary.details[-1] == "Recipe of both arms: best, 96 px, upper pretrained layers trained, 8 epochs."
    assert summary.arms["baseline"].metrics["f1"].mean == pytest.approx(0.9008841623567801)
    assert summary.synthetic["good"] == {"made": 330, "accepted": 31, "confidence": 289, "outlier": 69}
    assert summary.heat["models"][1]["moved"]["inside"] == 0.0161  # which stood beside the models
    assert "real + synthetic" in page
    assert "<tr><td>training images</td>" in page
    assert "told from real ones" not in page


def test_the_command_reports_it(store: ObjectStore, tmp_path: Path) -> None:
    out = tmp_path / "demo.html"
    done = CliRunner().invoke(app, ["report", "demo", "--out", str(out), "--store", store.url])
    assert done.exit_code == 0, done.output
    assert "fewer synthetic images than wanted were accepted" in out.read_text()
    links = set(re.findall(r'href="(demo-figures/[^"]+)"', out.read_text()))
    assert "demo-figures/curves-test.csv" in links
    assert all((tmp_path / link).is_file() for link in links)


def test_its_outputs_are_read_as_they_were_written(store: ObjectStore) -> None:
    record = RunRecord(store, "demo")
    assert record.pipeline().arms == FIRST_ARMS
    filtered = record.step(FILTER)
    assert filtered is not None
    assert {label: (x.quota, x.accepted) for label, x in filtered.outputs.root.items()} == {
        "defect": (60, 84), "good": (60, 31),
    }  # fmt: skip
    expanded = record.step(dataset_of("expanded"))
    assert expanded is not None
    assert expanded.outputs.synthetic == {"defect": 60, "good": 31}


def test_its_classifiers_and_generators_are_trained_anew_on_pictures_of_their_own_size(store: ObjectStore) -> None:
    settings = resolve({"name": "demo", "data": {"directory": "/srv/cables"}}, preset("demo"))
    record = RunRecord(store, "demo")
    outputs, whys = Outputs({"review": Reviewed()}), {}
    for step in line_of(settings.arms):
        remembered = record.step(step.key)
        if step.key not in (INGEST, REPORT):  # the photographs are not there; the report is written anew
            _, _, decision = decide(step, StepInputs(settings, "", outputs, store), record, store.url)
            whys[step.name] = decision.why
        if remembered is not None:
            outputs.add(step.name, remembered.outputs)
    trainings = {trained("baseline").step, JUDGE.step, GENERATORS.step, trained("expanded").step}
    assert {whys[step] for step in trainings} == {"its inputs have changed"}
    assert evaluated("expanded").step in whys


def test_what_another_version_summed_up_otherwise_is_written_anew_and_the_plan_says_why(store: ObjectStore) -> None:
    record = RunRecord(store, "demo")
    settings = resolve({"name": "demo", "data": {"directory": "/srv/cables"}}, preset("demo"))
    line = line_of(settings.arms)
    outputs = Outputs({})
    outputs.add("review", Reviewed())  # it had none
    for step in line[:-1]:
        if step.name != "review":
            remembered = record.step(step.key)
            assert remembered is not None, step.name
            outputs.add(step.name, remembered.outputs)
    _, remembered, decision = decide(line[-1], StepInputs(settings, "", outputs, store), record, store.url)
    assert remembered is None
    assert decision.why == "another version has left a record that is read no more"
