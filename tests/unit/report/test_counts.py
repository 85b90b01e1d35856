"""Counts of the page agree: the table's, the sheets', and how many of them are shown."""

import json
import re

from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import Judgement
from orchestrator.report import build_report
from tests.unit.report.finished_run import SYNTHETIC, finished_run, images, put


def test_an_image_rejected_for_two_reasons_is_on_both_sheets_as_in_both_columns() -> None:
    run = finished_run()
    first, later = (run.uri(f"datasets/{name}/manifest.jsonl") for name in ("judged", "judged2"))
    lines = read_manifest(run, later)
    both = Judgement(verdict="rejected", reasons=("confidence", "near_duplicate"))
    more = images(run, 30, 500, label="good", origin=SYNTHETIC, judgement=both)
    kept = read_manifest(run, first)
    record = json.loads(run.get("runs/run/steps/filter.json"))
    rounds = record["outputs"]["good"]["rounds"]
    rounds[1]["manifest_uri"] = write_dataset(run, "judged3", [*lines, *more], {})
    put(run, "runs/run/steps/filter.json", record)
    html, summary, _ = build_report(run, "run")
    page = html.decode()
    of_outliers = sum("outlier" in line.judgement.reasons for line in kept)
    assert summary.synthetic["good"] == {
        "made": 35, "accepted": 2, "outlier": of_outliers, "confidence": 30, "near_duplicate": 30,
    }  # fmt: skip
    heads = re.findall(r"<h3>good – rejected: ([^<]+)</h3>", page)
    assert heads == [
        "the judge was not sure that it shows what it should (24 of 30 shown)",
        "shows the same as another synthetic image (24 of 30 shown)",
        "unlike every real image (artefact or blend) (2)",
    ]
    for title, count in re.findall(r"<h3>good – (rejected: [^(]+?)[^<]*?(\d+)(?: of \d+ shown)?\)</h3>", page):
        sheet = page[page.index(f"<h3>good – {title}") :].split("<h3>")[1]
        assert sheet.count('<details class="tile">') == int(count)


def test_equal_steps_are_explained_where_they_stand_and_unequal_ones_are_not_called_equal() -> None:
    run = finished_run()
    clause = "training steps</a> a cycle: the same for all, so that no arm is better only because it trained longer"
    assert clause in build_report(run, "run").html.decode()
    record = json.loads(run.get("runs/run/steps/expanded.json"))
    put(run, "runs/run/steps/expanded.json", {**record, "outputs": {**record["outputs"], "steps_per_epoch": 9}})
    assert "the same for all" not in build_report(run, "run").html.decode()
