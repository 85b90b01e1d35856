"""How long a run takes is said before it starts: close to what runs recorded, and by what it is known."""

import json
import subprocess
import sys
import tarfile
import time
from datetime import datetime
from pathlib import Path

import pytest

from defectory.machine import cores
from defectory.storage import ObjectStore, open_store
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline import pace
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.durations import Duration, durations, expected_counts, kimg_of
from orchestrator.pipeline.estimate import Estimate, estimate, in_words
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.pace import Speed
from orchestrator.pipeline.plan import Decision
from orchestrator.pipeline.presets import preset
from orchestrator.pipeline.schedule import elapsed_s
from orchestrator.pipeline.settings import PipelineSettings, resolve

FILES = Path(__file__).parents[2] / "files/run_of_0_1_0.tar.xz"  # of `make demo`, on two cores
COUNTS = {"train": {"good": 140, "defect": 70}, "validation": {"good": 30, "defect": 15},
          "test": {"good": 30, "defect": 15}}  # fmt: skip
SHORT_S = 5  # below, a step is its start


def settings_of(name: str = "quick", **sections: object) -> PipelineSettings:
    return resolve({"name": "x", "data": {"directory": "/photos"}, **sections}, preset(name))


def recorded_run() -> tuple[dict[str, dict[str, int]], dict[str, float]]:
    """(counts, step -> seconds) of a demo that really ran."""
    steps = {}
    with tarfile.open(FILES) as archive:
        for member in archive:
            if "/steps/" in member.name and (file := archive.extractfile(member)):
                record = json.loads(file.read())
                steps[record["step"]] = record
    seconds = {
        step: (datetime.fromisoformat(r["finished"]) - datetime.fromisoformat(r["started"])).total_seconds()
        for step, r in steps.items()
    }
    return steps["ingest"]["outputs"]["counts"], seconds


def test_every_step_of_a_run_took_what_is_expected_within_a_factor_of_two() -> None:
    counts, seconds = recorded_run()
    expected = durations(settings_of("demo"), counts)
    long = {step: s for step, s in seconds.items() if s >= SHORT_S}
    assert len(long) >= 6
    for step, took in long.items():
        assert took / 2 <= expected[step].seconds <= 2 * took, step
    assert sum(seconds.values()) / 1.5 <= sum(d.seconds for d in expected.values()) <= 1.5 * sum(seconds.values())


@pytest.mark.parametrize(
    ("base", "batch_s"), [(1024, 0.364), (4096, 1.877), (16384, 11.654)]  # docs/benchmarks.md: 16 images, 64 px
)  # fmt: skip
def test_a_generators_image_costs_what_the_benchmarks_measured(base: int, batch_s: float) -> None:
    settings = settings_of(generator={"kimg": 1, "channel_base": base, "measured_images": 0, "labels": ["good"]})
    expected = durations(settings, COUNTS)["generators"].seconds
    assert expected / 1000 == pytest.approx(batch_s / 16, rel=0.4)


def test_the_other_labels_take_the_transfers_length_and_a_published_length_is_not_guessed() -> None:
    train = {"good": 9, "defect": 3, "dent": 2}
    labels = ("good", "defect", "dent")
    assert kimg_of(settings_of().generator, labels, train) == {"good": 40, "defect": 15, "dent": 15}
    given = settings_of(generator={"initial_models": {"dent": "old"}}).generator
    assert kimg_of(given, labels, train)["dent"] == 40
    alone = settings_of(generator={"start_label": ""}).generator
    assert set(kimg_of(alone, labels, train).values()) == {40}
    assert set(
        kimg_of(settings_of(generator={"kimg": None, "transfer_kimg": None}).generator, labels, train).values()
    ) == {300}
    published = settings_of(generator={"kimg": None, "transfer_kimg": None, "config": "paper256"})
    assert "generators" not in durations(published, COUNTS)


def test_shares_say_what_is_trained_on_before_anything_is_ingested() -> None:
    counts = expected_counts({"good": 200, "defect": 100}, settings_of(data={"directory": "/p", "test_share": 0.2}))
    assert counts["train"] == {"good": 130, "defect": 65}
    assert counts["test"] == {"good": 40, "defect": 20}


def estimated_of(store: ObjectStore, settings: PipelineSettings, plan: list[Decision]) -> Estimate:
    return estimate(store, settings, durations(settings, COUNTS), line_of(settings.arms), plan)


def plan_of(*steps: str) -> list[Decision]:
    return [Decision(step, "run", "") for step in steps]


def test_earlier_runs_on_the_machine_are_believed_more_than_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    store, settings = MemoryStore(), settings_of()
    monkeypatch.setattr(pace, "measure", lambda: Speed(values=0.5, macs=0.5))
    monkeypatch.setattr(pace, "has_gpu", lambda: False)
    for name in ("CLASSIFIER", "GENERATOR", "FILTER", "EXPLAINER"):
        monkeypatch.delenv(f"DEFECTORY_{name}_ADDRESS", raising=False)
    expected = durations(settings, COUNTS)
    first = estimated_of(store, settings, plan_of("judge", "generators"))
    assert first.seconds == {step: pytest.approx(2 * expected[step].seconds) for step in ("judge", "generators")}
    assert first.known_by == "by a measurement of this machine"
    for run, factor in (("a", 3.0), ("b", 5.0), ("c", 4.0)):
        pace.remember(store, run, expected, {"generators": factor * expected["generators"].seconds, "report": 1.0},
                      pace.machine())  # fmt: skip
    pace.remember(store, "d", expected, {"generators": 1e6}, "another machine")
    again = estimated_of(store, settings, plan_of("judge", "generators"))
    of_one = expected["generators"].seconds
    rests_on = 3 * of_one / (3 * of_one + 120)  # the median of three runs says 4 times, a measurement 2 times
    assert again.seconds["generators"] == pytest.approx((4 * rests_on + 2 * (1 - rests_on)) * of_one)
    assert again.known_by == "generators by earlier runs on this machine, the rest by a measurement of it"
    skipped = estimated_of(store, settings, [Decision("generators", "skip", "")])
    assert (skipped.seconds, in_words(skipped)) == ({}, "nothing is left to compute")


def test_what_another_machine_or_a_gpu_computes_is_unknown_until_it_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    store, settings = MemoryStore(), settings_of()
    monkeypatch.setattr(pace, "has_gpu", lambda: True)
    estimated = estimated_of(store, settings, plan_of("judge", "generators"))
    assert (list(estimated.seconds), estimated.unknown) == (["judge"], ["generators"])
    assert in_words(estimated).endswith("the time of generators is not known before a first run of it here")
    pace.remember(store, "a", durations(settings, COUNTS), {"generators": 60.0}, pace.machine())
    assert estimated_of(store, settings, plan_of("generators")).seconds["generators"] == pytest.approx(60)


def test_other_work_counts_by_what_it_takes() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * cores())]
    try:
        time.sleep(1)  # until they have started
        assert pace.slowed() > 2  # every core has four that want it
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_what_other_work_does_to_the_time_is_said_once_it_counts() -> None:
    assert "busy" not in in_words(Estimate({"judge": 300.0}, [], "known", 300.0, slowed=1.4))
    said = in_words(Estimate({"judge": 300.0}, ["generators"], "known", 300.0, slowed=4.0))
    assert said.startswith(
        "about 5 minutes: judge 5; known; other work keeps this machine busy, and while it does, rather 20 minutes; "
    )


def test_what_cannot_be_read_of_earlier_runs_is_passed_over() -> None:
    store = MemoryStore()
    pace.remember(store, "a", {"judge": Duration(5, 5)}, {"judge": 20.0}, "here")
    (key,) = [info.key for info in store.list("paces/")]
    store.put(key.replace("a.json", "b.json"), b"{")
    assert pace.recorded(store, "here") == {"judge": pace.Recorded(2.0, 10.0)}
    assert pace.recorded(store, "elsewhere") == {}


def test_a_measurement_gives_speeds_above_zero() -> None:
    speed = pace.measure()
    assert 0.01 < speed.values < 100
    assert 0.01 < speed.macs < 100


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ({"generators": 2280, "judge": 240, "report": 3}, "about 42 minutes: generators 38, judge 4; known"),
        ({"generators": 582}, "about 10 minutes: generators 10; known"),
        ({"generators": 40}, "about 40 seconds: generators 40; known"),
        ({"generators": 36000, "judge": 1800}, "about 10 hours: generators 10, judge 0.5; known"),
    ],
)
def test_it_is_said_in_the_unit_that_one_thinks_in(seconds: dict[str, float], said: str) -> None:
    assert in_words(Estimate(seconds, [], "known", sum(seconds.values()))) == said


def test_a_stores_times_are_kept_with_its_runs(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    pace.remember(store, "r", {"filter": Duration(2, 8)}, {"filter": 5.0}, pace.machine())
    assert pace.recorded(open_store(store.url), pace.machine()) == {"filter": pace.Recorded(0.5, 10.0)}


def test_a_short_run_hardly_moves_what_is_said_of_a_long_one() -> None:
    assert pace.Recorded(1.5, 40.0).seconds(2400.0, 2400.0) == pytest.approx(2400 * 1.125)  # 40 of 160 parts of a half
    assert pace.Recorded(1.5, 2400.0).seconds(2400.0, 2400.0) == pytest.approx(2400 * (1 + 0.5 * 2400 / 2520))
    assert pace.Recorded(1.5, 40.0).seconds(2400.0, None) == pytest.approx(3600)  # where nothing else is known


def test_what_goes_on_beside_the_generators_hardly_adds_to_the_time() -> None:
    line = line_of(DEFAULT_ARMS)
    seconds = {"baseline": 30.0, "judge": 20.0, "generators": 100.0, "filter": 40.0}
    assert elapsed_s(line, seconds) == pytest.approx(100 + 40 + 0.2 * 50), "what is beside it adds a fifth"
    assert elapsed_s(line, {**seconds, "generators": 10.0}) == pytest.approx(50 + 40 + 0.2 * 10)
    assert elapsed_s(line, {"filter": 40.0}) == 40
    assert elapsed_s(line, {}) == 0


def test_views_that_are_kept_are_looked_at_once_and_not_in_every_epoch() -> None:
    def augmented_s(**classifier: object) -> float:
        arms = ["baseline", {"name": "augmented", "trains_on": "augmented"}]
        frozen = {"trainable_base": "none", "epochs": 30, "input_px": 224, "cycles": 3, **classifier}
        return durations(settings_of(arms=arms, classifier=frozen), COUNTS)["augmented"].seconds

    images = 210 + 45 + 45
    # 4 views and the images themselves, 8 ms each, then 3 * 30 epochs of a head on what was kept: 7 steps of 4 ms.
    assert augmented_s(views=4) == pytest.approx(8 + 5 * images * 0.008 + 90 * (7 * 0.004 + 0.03), rel=0.1)
    assert augmented_s(views=0) > 5 * augmented_s(views=4), "the base looks at every image in every epoch"
