"""The page of a whole run from what a run leaves in the store: every section, and what it must not hide."""

import base64
import csv
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from defectory.datasets.decisions import Decisions, now, write_once
from defectory.datasets.manifest import read_card, read_manifest
from defectory.errors import Corrupted
from defectory.storage.memory import MemoryStore
from orchestrator.cli.run import read_settings
from orchestrator.pipeline.arms import DEFAULT_ARMS, ArmSettings
from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.report import build_report, keep_report
from orchestrator.report.content import read_run
from tests.unit.report.finished_run import FOUR, card, finished_run, put

BY_PARTS = "difference in macro-F1, points: by the chance of the parts that were tested"


@pytest.fixture
def run() -> MemoryStore:
    return finished_run()


def warn(store: MemoryStore, step: str, *warnings: str) -> None:
    """Let a step have warned of something."""
    record = json.loads(store.get(f"runs/run/steps/{step}.json"))
    put(store, f"runs/run/steps/{step}.json", {**record, "warnings": warnings})


def warned_on(page: str) -> list[str]:
    """What the page warns of."""
    section = re.search(r'id="warnings">(.*?)</section>', page, re.S)
    return re.findall(r"<li>(.*?)</li>", section[1]) if section else []


def change(store: MemoryStore, step: str, **outputs) -> None:
    """Let a step have handed on something else."""
    record = json.loads(store.get(f"runs/run/steps/{step}.json"))
    put(store, f"runs/run/steps/{step}.json", {**record, "outputs": {**record["outputs"], **outputs}})


def test_the_page_tells_the_whole_run(run: MemoryStore) -> None:
    html, summary, _ = build_report(run, "run")
    page = html.decode()
    for said in (
        summary.verdict,
        "Training on synthetic images moves the heat onto the defects (+20.0 points",
        "a network that knows nothing gives others. That does not say that a classifier is good",
        "heat on the background",
        "grad-cam++ of the last convolutional block",
        "30 test images with a mask",
        "rejected: unlike every real image",
        "Dashed: real images that the judge was not trained on",
        "layout  mvtec: it holds train/good",
        "labels  good 1 (no defect)",
        "left out: 1 file, it has no label (y.png)",
    ):
        assert said in page, said
    table = page[page.index("share of the heat on the defect") :]
    assert [table.index(x) for x in ("30.0%", "50.0%", "5.0%")] == sorted(
        table.index(x) for x in ("30.0%", "50.0%", "5.0%")
    )
    assert summary.synthetic["good"] == {"made": 5, "accepted": 2, "outlier": 2}
    assert 'src="http' not in page


def test_the_page_says_where_the_time_went(run: MemoryStore) -> None:
    assert "Where the time went" not in build_report(run, "run")[0].decode()  # a run of an older version
    record = json.loads(run.get("runs/run/steps/baseline.json"))
    spent = {"starting": 2.04, "reading": 0.5, "computing": 6, "writing": 0.26, "waiting": 1.2, "cores": 15}
    put(run, "runs/run/steps/baseline.json", {**record, "spent": spent, "processor_cores": 2})
    page = build_report(run, "run")[0].decode()
    table = page[page.index("Where the time went") : page.index("Settings and seeds")]
    cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", table)
    # 10 seconds of 2 cores, of which 15 seconds were used.
    assert cells == [
        "step", "seconds", "starting", "reading", "computing", "writing", "waiting", "cores used",
        "baseline", "10.0", "2.0", "0.5", "6.0", "0.3", "1.2", "75%",
    ]  # fmt: skip


def test_the_page_says_where_the_bases_started(run: MemoryStore) -> None:
    assert ", and started from ImageNet weights." in build_report(run, "run")[0].decode()
    for arm in ("baseline", "expanded"):
        change(run, arm, initial_weights="starter")
    page = build_report(run, "run")[0].decode()
    assert "started from the starter classifier, which learned from drawn parts and surfaces." in page


def test_what_the_steps_warned_of_is_said_once_and_in_their_order(run: MemoryStore) -> None:
    assert warned_on(build_report(run, "run")[0].decode()) == []
    left_out = "left out: 1 file, it has no label (y.png)"  # which the page would say of the folder
    warn(run, "ingest", "the test split holds 4 independent parts only", left_out)
    warn(run, "baseline", "no weights were found")
    warn(run, "expanded", "no weights were found")
    page = build_report(run, "run")[0].decode()
    assert warned_on(page) == ["the test split holds 4 independent parts only", left_out, "no weights were found"]
    assert page.count(left_out) == 1


def rows_of(table: str) -> list[list[str]]:
    """The cells' texts of every row."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.S)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)]
        for row in rows
    ]


def test_the_verdict_is_a_short_sentence_above_both_mistakes_in_counts_and_what_it_rests_on(run: MemoryStore) -> None:
    html, summary, _ = build_report(run, "run")
    assert summary.verdict == "The synthetic images made no difference that matters."
    assert summary.details[0].startswith(
        "“real only” is the classifier to go on with, as no other is shown to be better. It lets 1 of 2 defects "
        "through ("
    )
    assert summary.details[1] == (
        "Of each arm's training that is served: "
        "missed defects (defective parts that went through as good): real only 1 of 2, real + synthetic 1 of 2; "
        "false alarms (good parts that were rejected): real only 0 of 2, real + synthetic 0 of 2."
    )
    assert summary.details[2].startswith(
        "On the mean of 3 trainings an arm: less than 2 points of macro-F1 (95% interval over"
    )
    assert summary.details[3] == "Recipe of both arms: best, 224 px, pretrained layers frozen, 60 epochs."
    section = html.decode().partition('id="verdict">')[2].partition("</section>")[0]
    assert re.findall(r"<strong>(.*?)</strong>", section) == [summary.verdict]
    assert rows_of(section) == [
        ["of the one training that is served", "real only", "real + synthetic", "rejecting every part"],
        ["missed defects: defective parts that went through as good", "1 of 2", "1 of 2", "0 of 2"],
        ["false alarms: good parts that were rejected", "0 of 2", "0 of 2", "2 of 2"],
        ["right answers", "3 of 4", "3 of 4", "2 of 4"],
    ]  # fmt: skip
    order = [section.index(said) for said in (summary.verdict, *summary.details[:1], *summary.details[2:])]
    assert order == sorted(order)


def test_means_over_all_trainings_and_figures_of_the_one_that_is_served_stand_apart(run: MemoryStore) -> None:
    put(run, "models/expanded/model.json", {**card(), "main_cycle": 2})
    page = build_report(run, "run")[0].decode()
    rows = rows_of(page[page.index('id="comparison"') : page.index("Label by label")])
    places = {row[0]: number for number, row in enumerate(rows)}
    blocks = [name for name in places if len(rows[places[name]]) == 1]
    assert blocks == [
        "mean over 3 trainings of each arm, with its 95% interval",
        "of the one training that is served: the best on validation images, never chosen by the test",
        "how they were trained",
    ]
    means, served, trained = (places[name] for name in blocks)
    assert means < places["macro-F1"] < places[BY_PARTS] < served
    # From the confusion [[1, 1], [0, 2]]: three of four right; F1 of the labels 2/3 and 4/5.
    assert rows[places["accuracy, served"]] == ["accuracy, served", "75.0%", "75.0%", "50.0%"]
    assert rows[places["macro-F1, served"]] == ["macro-F1, served", "73.3%", "73.3%", "33.3%"]
    assert rows[places["which training"]] == ["which training", "1 of 3", "3 of 3", ""]
    assert served < places["macro-F1, served"] < places["false alarms"] < trained


def test_both_mistakes_have_intervals_in_the_table(run: MemoryStore) -> None:
    html, *_ = build_report(run, "run")
    (row,) = [cells for cells in rows_of(html.decode()) if cells[0] == "missed defects"]
    assert row[1:] == ["1 of 2: 50.0% [1.3%, 98.7%]"] * 2 + ["0 of 2"]


def test_photographs_of_one_part_are_not_called_parts(run: MemoryStore) -> None:
    document = json.loads(run.get("v"))
    document["images"][0]["group"] = document["images"][1]["group"]
    put(run, "v", document)
    html, summary, _ = build_report(run, "run")
    assert "(defective photographs that went through as good):" in summary.details[1]
    assert "<td>missed defects: defective photographs that went through as good</td>" in html.decode()


def test_without_a_label_of_good_parts_no_mistakes_are_counted(run: MemoryStore) -> None:
    document = json.loads(run.get("v"))
    put(run, "v", {**document, "operating_point": None})
    html, summary, _ = build_report(run, "run")
    assert summary.verdict.startswith("The synthetic images made no difference")
    assert len(summary.details) == 2, "what it rests on, and the recipe"
    assert "went through as good</td>" not in html.decode()


def test_that_fewer_were_accepted_than_wanted_is_said_first_and_nothing_is_announced(run: MemoryStore) -> None:
    judged = {"verdicts": {"accepted": 2, "rejected": 3}, "reasons": {"outlier": 3}}
    record = json.loads(run.get("runs/run/steps/filter.json"))
    rounds = record["outputs"]["good"]["rounds"]
    rounds[0] |= judged
    change(run, "filter", good={"rounds": rounds, "quota": 150, "accepted": 2})
    few = "ood: only 2 of the 150 synthetic images wanted were accepted, of 5 that were made"
    warn(run, "filter", f"g{few}", "another")
    html, summary, _ = build_report(run, "run")
    page = html.decode()
    assert summary.doubts[0] == f"G{few}."
    assert summary.doubts[1].startswith(
        "Good: the generator has not learned enough, so expect blurred or strange images"
    )
    assert "3 of 5 images are farther from every real one" in summary.doubts[1]
    assert "rain it longer (" in summary.doubts[1]
    places = [page.index(said) for said in ("<strong>This run cannot tell", *summary.doubts, 'class="evidence"')]
    assert places == sorted(places), "the verdict, then all doubts in one list, then the rest"
    assert page.count('<ul class="doubts">') == 1
    assert "This run cannot tell whether the synthetic images helped" in summary.verdict
    assert summary.differences["expanded"].outcome == "cannot tell"
    assert warned_on(page) == ["another"]
    assert page.count(few) == 1


def written_by_an_earlier_version(store: MemoryStore) -> None:
    """Let evaluations have no curves."""
    evaluation = json.loads(store.get("v"))
    put(store, "v", {name: value for name, value in evaluation.items() if name != "curves"})


def test_both_arms_show_how_far_their_probabilities_can_be_believed_on_test_images(run: MemoryStore) -> None:
    html, _, files_of = build_report(run, "run")
    section = html.decode().split('id="reliability"')[1].split("</section>")[0]
    assert "Each bar is of the test images" in section
    assert "earlier version" not in section
    for arm in ("baseline", "expanded"):
        assert f'href="run-figures/reliability-{arm}.png"' in section
        bins = list(csv.DictReader(io.StringIO(files_of()[f"reliability-{arm}.csv"].decode())))
        assert [(one["probabilities"], one["mean confidence"], one["images"], one["share right"]) for one in bins] == [
            ("as trained", "0.9", "2", "0.5"), ("with temperature", "0.65", "2", "0.5"),
        ]  # fmt: skip
        assert {(one["low"], one["high"]) for one in bins} == {("0.0126", "0.9874")}


def test_of_an_earlier_versions_evaluation_what_the_classifier_drew_is_shown_and_said_so(run: MemoryStore) -> None:
    written_by_an_earlier_version(run)
    html, _, files_of = build_report(run, "run")
    page = html.decode()
    assert files_of()["reliability-expanded.svg"] == b"<svg>expanded</svg>"
    assert "earlier version, which did not count mistakes by the threshold" in page
    section = page[page.index('id="reliability"') : page.index('id="threshold"')]
    assert "This evaluation was written by an earlier version" in section
    assert "Each bar is of the validation images" in section
    drawings = re.findall(r"<h3>([^<]+)</h3><div[^>]*><img [^>]*base64,([^\"]+)", section)
    assert [(arm, base64.b64decode(data)) for arm, data in drawings] == [
        ("real only", b"<svg>baseline</svg>"), ("real + synthetic", b"<svg>expanded</svg>"),
    ]  # fmt: skip
    for arm in ("baseline", "expanded"):
        run.delete(f"models/{arm}/reliability.svg")
    assert 'id="reliability"' not in build_report(run, "run")[0].decode()


def test_mistakes_stand_over_the_threshold_and_without_costs_it_is_said_how_to_set_them(
    run: MemoryStore, tmp_path: Path
) -> None:
    html, _, files_of = build_report(run, "run")
    section = html.decode().split('id="threshold"')[1].split("</section>")[0]
    assert 'alt="Missed defects and false alarms over the threshold"' in section
    assert "--set costs.escape=50 --set costs.overkill=1 --set costs.defect_share=0.01" in section
    settings = read_settings(tmp_path, "quick", "", False, {}, re.findall(r"--set (costs\.\S+?=[0-9.]+)", section))
    assert settings.costs == CostSettings(escape=50, overkill=1, defect_share=0.01), "what is advised can be typed"
    assert "cost-over-threshold.csv" not in files_of()


def test_with_costs_they_are_drawn_over_the_threshold_and_the_cheapest_one_is_named(run: MemoryStore) -> None:
    pipeline = json.loads(run.get("runs/run/pipeline.json"))
    pipeline["settings"]["costs"] = {"escape": 90.0, "overkill": 1.0, "defect_share": 0.01}
    put(run, "runs/run/pipeline.json", pipeline)
    html, _, files_of = build_report(run, "run")
    section = html.decode().split('id="threshold"')[1].split("</section>")[0]
    assert 'alt="Cost of 1,000 parts over the threshold"' in section
    assert "Nobody has said" not in section
    assert "Passing every part would cost 900.0, rejecting every one 990.0." in section
    # At 1/2 one of two defects passes: 450; from 0.3 on none, but one of two good parts is rejected: 495.
    assert "“real only” rejects from a threshold of 0.5 on, which costs 450.0 [" in section
    assert "on validation images no threshold costs less" in section
    rows = list(csv.DictReader(io.StringIO(files_of()["cost-over-threshold.csv"].decode())))
    assert [float(x["cost"]) for x in rows if (x["arm"], x["split"]) == ("real only", "test")] == [
        990, 495, 945, 450, 900,
    ]  # fmt: skip


def calibrated(store: MemoryStore, arm: str, images: int, test: dict | None = None) -> None:
    """Let an arm's probabilities have been fitted on so many images."""
    error = {"ece_before": 0.125, "ece_after": 0.0312, "images": images}
    calibration = {"temperature": 0.81, "validation": error, "test": test}
    put(store, f"models/{arm}/model.json", {**card(), "calibration": calibration})


def test_probabilities_that_were_fitted_on_few_images_are_warned_of_once_and_where_they_stand(run: MemoryStore) -> None:
    for arm in ("baseline", "expanded"):
        calibrated(run, arm, 30)
    assert warned_on(build_report(run, "run")[0].decode()) == []
    for arm in ("baseline", "expanded"):
        calibrated(run, arm, 13, {"ece_before": 0.2, "ece_after": 0.1875, "images": 9})
    page = build_report(run, "run")[0].decode()
    (warning,) = warned_on(page)
    assert warning.startswith(
        "probabilities are fitted on 13 validation images, fewer than 30: even if all of them were right"
    )
    section = page[page.index('id="reliability"') : page.index('id="counts"')]
    assert warning[1:] in section
    rows = rows_of(section)
    assert rows[1][1:] == ["13", "12.5%", "3.1%", "12.5%", "3.1%"]
    assert rows[1][0] == "validation: the images that the temperature was fitted on"
    assert rows[2] == [
        "test: images that nothing was fitted on, so believe this one",
        "9",
        "20.0%",
        "18.8%",
        "20.0%",
        "18.8%",
    ]


def test_a_run_without_review_says_so_and_has_no_empty_section(run: MemoryStore) -> None:
    said = "This run was made without review: of the synthetic images the arms got what the filter accepted."
    assert said not in build_report(run, "run")[0].decode()
    pipeline = json.loads(run.get("runs/run/pipeline.json"))
    put(run, "runs/run/pipeline.json", {**pipeline, "settings": {**pipeline["settings"], "review": False}})
    page = build_report(run, "run")[0].decode()
    assert page.count(said) == 1
    assert 'id="people"' not in page


def test_where_no_arm_trains_on_what_people_decide_nobody_is_asked_to() -> None:
    arms = (DEFAULT_ARMS[0], ArmSettings(name="kept", trains_on="filtered"))
    page = build_report(finished_run(arms), "run")[0].decode()
    assert 'id="people"' not in page
    assert "without review" not in page


def test_every_chart_lies_beside_the_page_as_picture_and_in_numbers(run: MemoryStore) -> None:
    calibrated(run, "baseline", 40)
    html, _, files_of = build_report(run, "run")
    files = files_of()
    links = set(re.findall(r'href="([^"#]+)"', html.decode()))
    assert links == {f"run-figures/{name}" for name in files}
    for name in (
        "curves-validation",
        "curves-test",
        "thresholds-1-good",
        "reliability-baseline",
        "mistakes-over-threshold",
    ):
        assert Image.open(io.BytesIO(files[f"{name}.png"])).size[0] > 400
    curve = list(csv.DictReader(io.StringIO(files["curves-test.csv"].decode())))
    assert len(curve) == 2 * 3 * 2, "arms, cycles, epochs"
    assert {(row["loss"], row["accuracy"], row["f1"]) for row in curve} == {("0.2", "0.8", "0.8")}
    kept = list(csv.DictReader(io.StringIO(files["thresholds-1-good.csv"].decode())))
    assert [(row["threshold"], row["real kept"]) for row in kept] == [("0.0", "1.0"), ("0.5", "0.9"), ("1.0", "0.1")]
    assert [float(row["synthetic kept"]) for row in kept] == pytest.approx([1, 2 / 3, 0])
    (calibration,) = csv.DictReader(io.StringIO(files["calibration.csv"].decode()))
    assert (calibration["arm"], calibration["images"], calibration["ece as trained"]) == ("real only", "40", "0.125")


def test_an_image_says_what_it_came_from_and_links_to_the_photograph_it_is_like(run: MemoryStore) -> None:
    html, _, files_of = build_report(run, "run")
    files = files_of()
    page = html.decode()
    sheet = page[page.index("good – synthetic, accepted") : page.index("good – rejected")]
    tiles = sheet.split('<details class="tile">')[1:]
    assert len(tiles) == 2
    for said in ("<dd>run.good/1</dd>", "seed 77, truncation psi 0.7", "good 95.0%, defect 5.0%", "<dd>accepted</dd>"):
        assert said in tiles[0], said
    target = re.search(r'<a href="#([^"]+)">', tiles[0])
    assert target is not None
    place = page.index(f'id="{target[1]}"')
    assert page.index("good – real, for training") < place < page.index("good – synthetic, accepted")
    rows = list(csv.DictReader(io.StringIO(files["images.csv"].decode())))
    assert [row["seed"] for row in rows if row["sheet"] == "good, synthetic, accepted"] == ["77", "77"]
    assert len([row for row in rows if row["sheet"].startswith("good, real")]) == 2


def test_what_is_signed_for_is_named_by_hashes(run: MemoryStore) -> None:
    judge = {"name": "run.judge", "version": "4", "weights_sha256": "5" * 64, "cycles": 3}
    record = {"step": "judge", "input_hash": "0", "started": "", "finished": "", "outputs": judge, "warnings": []}
    put(run, "runs/run/steps/judge.json", record)
    page = build_report(run, "run")[0].decode()
    section = page[page.index('id="signature"') :]
    assert rows_of(section)[1:] == [
        ["photographs", "run", "0"], ["classifier, real only", "run.baseline/1", "0"],
        ["classifier, real + synthetic", "run.expanded/1", "0"], ["judge", "run.judge/4", "5" * 64],
    ]  # fmt: skip
    assert "Signature" in section


def test_files_that_were_skipped_are_listed_up_to_some_and_all_in_a_file(run: MemoryStore) -> None:
    change(run, "ingest", skipped=[[f"broken/{number}.png", "cannot be read"] for number in range(250)])
    html, _, files_of = build_report(run, "run")
    files = files_of()
    page = html.decode()
    assert "250 files were skipped" in page
    assert ("broken/199.png" in page, "broken/200.png" in page) == (True, False)
    assert len(files["skipped.csv"].decode().splitlines()) == 251


def test_the_report_in_the_store_lies_with_its_files_and_leaves_none_of_the_last_one(run: MemoryStore) -> None:
    run.put("runs/run/run-figures/of-an-arm-that-was-renamed.png", b"x")
    report = keep_report(run, "run")
    assert run.get("runs/run/report.html") == report.html
    kept = {one.key.removeprefix("runs/run/run-figures/") for one in run.list("runs/run/run-figures/")}
    assert kept == set(report.files())


def test_a_run_that_nobody_reviewed_says_how_to_begin(run: MemoryStore) -> None:
    page = build_report(run, "run")[0].decode()
    assert "<code>defectory review run</code>" in page[page.index('id="people"') : page.index('id="images"')]


def test_what_people_decided_is_told_with_agreement_sample_and_blind_test(run: MemoryStore) -> None:
    counts = {"accepted": 3, "rejected": 1, "relabelled": 0}
    rounds = json.loads(run.get("runs/run/steps/filter.json"))["outputs"]["good"]["rounds"]
    accepted = [x for x in read_manifest(run, rounds[0]["manifest_uri"]) if x.judgement.verdict == "accepted"]
    values = {accepted[0].file.sha256: "rejected", accepted[1].file.sha256: "accepted"}
    hash_ = str(read_card(run, "judged")["content_hash"])
    document = write_once(
        run,
        Decisions(kind="review", dataset="judged", content_hash=hash_, values=values, by="Anna", created_utc=now()),
    )
    outputs = {
        "documents": {"judged": document},
        "reviewers": [
            {"name": "Anna", "by_label": {"good": counts}, **counts, "overruled": 1, "minutes": 2.25},
            {"name": "Berta", **counts, "overruled": 0, "minutes": 1},
        ],
        "pairs": [{"first": "Anna", "second": "Berta", "both": 4, "agreed": 3, "kappa": 0.5, "low": -0.1, "high": 1,
                   "differ": 1}],
        "samples": [{"by": "Anna", "labels": ["good"], "filters": {"verdict": "accepted"}, "of": 300, "size": 20,
                     "decided": 20, "bad": 3, "low": 0.032, "high": 0.379}],
        "blind": [{"by": "Berta", "label": "good", "pictures": 40, "right": 30, "low": 0.588, "high": 0.873,
                   "synthetic": 20, "called_real": 6}],
    }  # fmt: skip
    record = {"step": "review", "input_hash": "0", "started": "", "finished": "", "outputs": outputs, "warnings": []}
    put(run, "runs/run/steps/review.json", record)
    page = build_report(run, "run")[0].decode()
    section = page[page.index('id="people"') : page.index('id="images"')]
    assert rows_of(section)[1:] == [
        ["Anna", "good", "3", "1", "0", "1", "2.2"],
        ["Berta", "all", "3", "1", "0", "0", "1.0"],
    ]
    for said in (
        "Anna and Berta both decided about 4 images and agree on 3; kappa 0.50 [-0.10, 1.00].",
        "Anna looked at a random 20 of 300 images (good, verdict accepted): 3 of 20 are bad, 15.0% [3.2%, 37.9%]",
        "Berta told 30 of 40 pictures of good rightly, 75% [59%, 87%], more often than by guessing; "
        "6 of 20 synthetic ones were taken for real.",
        "good – accepted by the filter, rejected by people (1)",
    ):
        assert said in section, said
    assert "defectory review" not in section


def test_what_every_threshold_keeps_is_of_all_rounds(run: MemoryStore) -> None:
    content = read_run(run, "run")
    assert content.curves["good"].kept["good"] == pytest.approx([1, 2 / 3, 0])
    assert content.curves["good"].real["good"] == [1, 0.9, 0.1]


def test_every_label_and_every_kind_of_defect_is_told(run: MemoryStore) -> None:
    page = build_report(run, "run")[0].decode()
    section = page[page.index("Label by label") : page.index('id="curves"')]
    rows = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip()
        for row in re.findall(r"<tr>(.*?)</tr>", section, re.S)
    ]
    assert rows[1] == "defect 2 100.0% 50.0% defect: 1, good: 1 100.0% 50.0% defect: 1, good: 1"
    assert rows[2] == "good 2 66.7% 100.0% good: 2 66.7% 100.0% good: 2"
    assert rows[4] == "crack 2 1 of 2: 50.0% [1.3%, 98.7%] 1 of 2: 50.0% [1.3%, 98.7%]"


def test_a_run_of_an_earlier_version_has_no_such_table(run: MemoryStore) -> None:
    document = json.loads(run.get("v"))
    del document["decisions"]
    put(run, "v", document)
    assert "Label by label" not in build_report(run, "run")[0].decode()


def probed(store: MemoryStore, dataset: str, **figures) -> None:
    """Let a judged dataset's card have a probe of good parts."""
    key = f"datasets/{dataset}/dataset.json"
    probe = {"auroc": 0.5, "low": 0.4, "high": 0.6, "real": 30, "synthetic": 20, **figures}
    put(store, key, {**json.loads(store.get(key)), "probe": {"good": probe if figures else None}})


def test_a_run_whose_images_were_not_probed_speaks_of_no_probe(run: MemoryStore) -> None:
    assert "told from real ones" not in build_report(run, "run")[0].decode()
    for dataset in ("judged", "judged2"):
        probed(run, dataset)  # too few images
    assert "told from real ones" not in build_report(run, "run")[0].decode()


@pytest.mark.parametrize(
    ("low", "meaning", "warned"),
    [
        (0.31, "30 real and 2 synthetic images are too few to tell", False),
        (0.62, "some give themselves away", False),
        (0.91, "a classifier can learn what is synthetic in place of what is defective", True),
    ],
)
def test_the_page_says_whether_synthetic_images_can_be_told(
    run: MemoryStore, low: float, meaning: str, warned: bool
) -> None:
    probed(run, "judged", auroc=0.9512, low=low, high=0.987, synthetic=2)
    probed(run, "judged2", auroc=0.5, low=0.4, high=0.6, synthetic=1)  # the smaller round does not count
    page = build_report(run, "run")[0].decode()
    table = page[page.index("Can synthetic images be told from real ones?") :]
    row = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1]
    figures = f"0.95 [{low}, 0.99]"
    assert re.findall(r"<td[^>]*>([^<]+)</td>", row) == ["good", "30", "2 of 2 accepted", figures, meaning]
    section = re.search(r'<section class="warning" id="warnings">(.*?)</section>', page, re.S)
    warnings = re.findall(r"<li>(.*?)</li>", section[1], re.S) if section else []
    assert [figures in warning for warning in warnings if "Synthetic images can be told" in warning] == [True] * warned


def test_a_run_without_masks_speaks_of_none(run: MemoryStore) -> None:
    model = {"model": "run.baseline/1", "masked": 0, "cells": [1, 1], "sanity": {"stages": {}, "passed": None}}
    put(run, "s", {"models": [model, {**model, "moved": None}]})
    page = build_report(run, "run")[0].decode()
    assert "with a mask" not in page
    assert "moves the heat" not in page


def test_the_verdict_and_the_table_say_by_which_recipe_every_arm_was_trained(run: MemoryStore) -> None:
    html, summary, _ = build_report(run, "run")
    assert summary.details[-1] == "Recipe of both arms: best, 224 px, pretrained layers frozen, 60 epochs."
    put(run, "models/expanded/model.json", card("paper", 64))
    html, summary, _ = build_report(run, "run")
    recipes = ["best, 224 px, pretrained layers frozen, 60 epochs", "paper, 64 px, pretrained layers frozen, 60 epochs"]
    assert summary.details[-1] == f"Recipes: real only: {recipes[0]}; real + synthetic: {recipes[1]}."
    (row,) = [cells for cells in rows_of(html.decode()) if cells[0].startswith("recipe")]
    assert row[1:3] == recipes


def test_a_document_that_no_service_writes_is_named(run: MemoryStore) -> None:
    put(run, "models/expanded/metrics.json", {"cycles": 3})
    with pytest.raises(Corrupted, match=r"models/expanded/metrics.json is no Metrics: cycles"):
        build_report(run, "run")


def test_the_reason_why_no_heat_is_shown_stands_under_the_picture(run: MemoryStore) -> None:
    rows = [json.loads(line) for line in run.get("e").splitlines()]
    rows[0] |= {"unclear": "no heat: nothing spoke for the label"}
    run.put("e", b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    page = build_report(run, "run")[0].decode()
    assert re.findall(r'<span class="wrong">([^<]+)</span></figcaption>', page) == [
        "no heat: nothing spoke for the label", "heat on the background",
    ]  # fmt: skip


def settle(store: MemoryStore, **filter_: object) -> None:
    """Let the run have filtered by these settings."""
    pipeline = json.loads(store.get("runs/run/pipeline.json"))
    pipeline["settings"]["filter"] |= filter_
    put(store, "runs/run/pipeline.json", pipeline)


@pytest.mark.parametrize(
    ("gate", "said"), [(True, "only copies and outliers were rejected"), (False, "nothing was rejected")]
)
def test_accepted_says_beside_the_sheet_that_the_filter_was_off(run: MemoryStore, gate: bool, said: str) -> None:
    assert "filter.policy none" not in build_report(run, "run")[0].decode()
    settle(run, policy="none", novelty_gate=gate)
    page = build_report(run, "run")[0].decode()
    off = f"the judge was off (filter.policy none): {said}"
    assert f"<h3>good – synthetic, accepted; {off} (2)</h3>" in page
    assert f"Accepted says little here: {off}." in page


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (("", "cable_swap"), True), (("combined", "bent_wire"), True), (("", ""), False), (("", "combined"), False),
        (("", "scratch"), False), (("cable_swap", "scratch"), False),
    ],
)  # fmt: skip
def test_the_papers_figures_stand_beside_cables_only(kinds: tuple[str, str], shown: bool) -> None:
    page = build_report(finished_run(kinds=kinds), "run")[0].decode()
    assert ("94.99%" in page) == shown
    assert ("measured on MVTec" in page) == shown


def test_a_word_of_the_field_is_explained_where_it_stands(run: MemoryStore) -> None:
    page = " ".join(build_report(run, "run")[0].decode().split())
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page))
    for section, clause in (
        ("comparison", "is one way of training the classifier"),
        ("comparison", "is one whole training of it"),
        ("comparison", "how often the chance of a training alone gives such a difference"),
        ("reliability", "ECE: how far the confidence claimed lies from the accuracy"),
        ("reliability", "The temperature is the one number"),
        ("counts", "is a classifier trained for this only"),
        ("words", "thousands of images that a generator was shown while it trained"),
        ("words", "how different a generator&#39;s images are from real ones"),
    ):
        assert clause in sections[section], clause


def test_four_arms_are_in_verdict_table_curves_sheets_and_panels() -> None:
    html, summary, _ = build_report(finished_run(FOUR), "run")
    page = html.decode()
    titles = ["real only", "real + synthetic", "unfiltered", "even"]
    assert [arm.title for arm in summary.arms.values()] == titles
    assert list(summary.differences) == ["expanded", "raw", "even"]
    for subject in ("The synthetic images", "The unfiltered synthetic images", "“even”"):
        assert f"{subject} made no difference that matters" in summary.verdict.replace("&#34;", '"'), subject
    table = page[page.index('id="comparison"') : page.index("Label by label")]
    heads = re.findall(r'<th class="number">(?:<span[^>]*></span>)?([^<]+)</th>', table)
    assert heads == [*titles, "rejecting every part"]
    (cells,) = [row for row in rows_of(table) if row[0] == "macro-F1"]
    assert cells[1:] == ["80.0% [80.0%, 80.0%]"] * 4 + ["33.3%"]
    rows = [re.findall(r"<t[dh]", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.S)]
    assert {len(row) for row in rows} == {6, 1}, "every row of the table is as wide as its head, or names a block"
    assert set(re.findall(r'colspan="(\d)"', table)) == {"6"}
    drawn = base64.b64decode(re.findall(r'<img class="chart"[^>]*base64,([^"]+)', page)[0]).decode()
    for colour in ("#8a5a00", "#0b6bcb", "#123456"):
        assert colour in drawn, colour
    labels = page[page.index("Label by label") : page.index('id="curves"')]
    assert [f"taken for, {title}" in labels for title in titles] == [True] * 4
    assert "good – synthetic, as made, in unfiltered (3)" in page
    counted = re.search(r"<tr><td>training images</td>(.*?)</tr>", table, re.S)
    assert counted is not None
    assert re.findall(r">(\d+)</td>", counted[1]) == ["4", "4", "7", "4"]
    panel = page[page.index('<div class="panel">') : page.index('id="settings"')]
    assert re.findall(r'alt="heatmap, ([^"]+)"', panel) == titles
    assert len(re.findall(r"moves the heat onto the defects", page)) == 3
