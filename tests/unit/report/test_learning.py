"""Charts of how generators learned and how near their images come to photographs, and the numbers beside them."""

import json

import pytest

from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.outputs import Generators, TrainedGenerator
from orchestrator.report.documents import NoveltyLimits, Snapshot
from orchestrator.report.learning import coverage_chart, histories_of, kid_chart, novelty_chart

MEASURED = {"kimg": 1.0, "kid": 0.05, "kid_low": 0.03, "kid_high": 0.07, "coverage": 0.4, "coverage_low": 0.3,
            "coverage_high": 0.6, "diversity": 1.1}  # fmt: skip


def generator(store: MemoryStore, name: str, history: list[dict] | None) -> TrainedGenerator:
    """None: its card is gone."""
    key = f"models/generator/{name}/1/model.json"
    if history is not None:
        store.put(key, json.dumps({"history": history}).encode())
    return TrainedGenerator(
        name=name, version="1", weights_sha256="", kimg=2.0, augment_p=0.0, sample_uri="", shipped_kimg=2.0,
        shipped_reason="", leaks=[], card_uri=store.uri(key),
    )  # fmt: skip


def synthetic(number: int, distance: float | None) -> ManifestLine:
    judgement = Judgement(nearest_real="b" * 64, nearest_real_distance=distance, verdict="accepted")
    file = PictureFile(uri="memory://x", sha256=f"{number:064}", width=8, height=8)
    return ManifestLine(file=file, label="good", origin=Origin(kind="synthetic"), judgement=judgement)


def test_labels_that_one_generator_makes_have_one_line_and_a_deleted_one_has_none() -> None:
    store = MemoryStore()
    shared = generator(store, "both", [MEASURED])
    of = Generators({"good": shared, "crack": shared, "hole": generator(store, "hole", None)})
    assert {title: [x.kid for x in history] for title, history in histories_of(store, of).items()} == {
        "good, crack": [0.05]
    }


def test_kid_is_drawn_with_its_interval_and_lies_beside_as_numbers() -> None:
    later = {**MEASURED, "kimg": 2.0, "kid": 0.02, "kid_low": 0.01, "kid_high": 0.04}
    unmeasured = {"kimg": 0.5}
    history = [Snapshot.model_validate(one) for one in (unmeasured, MEASURED, later)]
    chart = kid_chart({"good": history})
    assert chart is not None
    axis = chart.figure.axes[0]
    assert [list(map(float, line.get_ydata())) for line in axis.lines] == [[0.05, 0.02]]
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (pytest.approx(0.01), pytest.approx(0.07))
    rows = chart.files()["kid.csv"].decode().splitlines()
    assert rows == [
        "generator,kimg,kid,low,high", "good,1.0,0.05,0.03,0.07", "good,2.0,0.02,0.01,0.04",
    ]  # fmt: skip


def test_coverage_is_drawn_beside_it_and_without_a_band_where_earlier_versions_measured_none() -> None:
    earlier = {"kimg": 0.5, "kid": 0.1, "coverage": 0.2}
    chart = coverage_chart({"good": [Snapshot.model_validate(one) for one in (earlier, MEASURED)]})
    assert chart is not None
    axis = chart.figure.axes[0]
    assert list(map(float, axis.lines[0].get_ydata())) == [0.2, 0.4]
    assert axis.get_ylim() == (0, 1)
    assert chart.files()["coverage.csv"].decode().splitlines() == [
        "generator,kimg,coverage,low,high", "good,0.5,0.2,,", "good,1.0,0.4,0.3,0.6",
    ]  # fmt: skip


def test_without_a_measured_snapshot_there_is_no_chart() -> None:
    assert kid_chart({"good": [Snapshot(kimg=1.0)]}) is None
    assert kid_chart({}) is None
    assert coverage_chart({"good": [Snapshot(kimg=1.0)]}) is None


def test_every_pair_counts_and_the_limit_is_drawn() -> None:
    limits = NoveltyLimits(copy_correlation=0.55, copy_feature_distance=0, outlier_feature_distance={})
    lines = [synthetic(1, 0.8), synthetic(2, 0.8), synthetic(3, 0.3), synthetic(4, None)]
    chart = novelty_chart({"good": lines}, {"good": limits})
    assert chart is not None
    assert [row["correlation"] for row in chart.rows] == [pytest.approx(0.2)] * 2 + [pytest.approx(0.7)]
    (outline,) = chart.figure.axes[0].patches
    heights = outline.get_xy()[:, 1]
    assert heights.max() == pytest.approx(200 / 3), "two of three, in per cent"
    assert [line.get_xdata()[0] for line in chart.figure.axes[0].lines] == [0.55]


def test_where_nothing_was_compared_there_is_no_chart() -> None:
    assert novelty_chart({"good": [synthetic(1, None)]}, {}) is None
