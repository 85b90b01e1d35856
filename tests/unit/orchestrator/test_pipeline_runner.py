"""The line against services that answer at once: what runs, what is skipped, and under which request ids."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile, Synthesis
from defectory.errors import Corrupted, FailedPrecondition, InvalidInput, Unavailable, WeightsMissing
from defectory.phases import Spent, account_for, phase
from defectory.storage import ObjectStore
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.methods import Call, Operation
from orchestrator.pipeline.outputs import FILTER, GENERATORS, INGEST, dataset_of, trained
from orchestrator.pipeline.plan import make_plan
from orchestrator.pipeline.progress import Report
from orchestrator.pipeline.run_record import RunRecord, Underway
from orchestrator.pipeline.runner import RunResult, run_line
from orchestrator.pipeline.settings import PipelineSettings, resolve
from orchestrator.report.times import times_of
from tests.patience import PATIENT_S

STEPS = tuple(step for step in line_of(DEFAULT_ARMS) if step.name != "report")


class Silent:
    """A Watcher that keeps only the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def started(self, step: str, why: str, *, again: bool = False) -> None:
        pass

    def progress(self, step: str, report: Report) -> None:
        pass

    def finished(self, step: str, seconds: float, came_of_it: str = "") -> None:
        pass

    def skipped(self, step: str, why: str, came_of_it: str = "") -> None:
        pass

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Answers:
    """Services that accept two of three synthetic images, or all below a threshold of 0.6; remembers what was asked."""

    def __init__(self, store: ObjectStore, fail: Callable[[str, Any], None] = lambda method, request: None) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._store = store
        self._fail = fail

    def operate(self, method: Operation[Any, Any], request: Any, on_report: Any) -> Any:
        self._fail(method.name, request)
        self.asked.append((method.name, request))
        return getattr(self, method.name)(request)

    def call(self, method: Call[Any, Any], request: Any) -> Any:
        raise AssertionError("the line makes no such call")

    def TrainClassifier(self, request: Any) -> Any:  # noqa: N802
        weights = request.settings.SerializeToString(deterministic=True).hex()
        classifier = classifier_pb2.Classifier(name=request.name, version="1", weights_sha256=weights)
        return classifier_pb2.TrainClassifierResponse(classifier=classifier)

    def EvaluateClassifier(self, request: Any) -> Any:  # noqa: N802
        return classifier_pb2.EvaluateClassifierResponse(evaluation_uri="e", metrics={"f1": 0.5})

    def TrainGenerator(self, request: Any) -> Any:  # noqa: N802
        return generator_pb2.TrainGeneratorResponse(
            generator=generator_pb2.Generator(name=request.name, version="1", kimg=request.settings.kimg)
        )

    def Synthesize(self, request: Any) -> Any:  # noqa: N802
        seeds = range(request.first_seed, request.first_seed + request.count)
        lines = [
            ManifestLine(
                file=PictureFile(uri="u", sha256=f"{hash((request.model, s)) % 16**8:064x}", width=8, height=8),
                origin=Origin(kind="synthetic"),
                synthesis=Synthesis(seed=s),
                label=request.model.rpartition(".")[2].split("/")[0],
            )
            for s in seeds
        ]
        uri = write_dataset(self._store, request.dataset, lines, {})
        return generator_pb2.SynthesizeResponse(manifest_uri=uri, count=request.count)

    def FilterImages(self, request: Any) -> Any:  # noqa: N802
        lines = [
            replace(
                line,
                judgement=replace(
                    line.judgement, verdict="rejected" if i % 3 == 2 and request.threshold > 0.6 else "accepted"
                ),
            )
            for i, line in enumerate(read_manifest(self._store, request.manifest_uri))
        ]
        uri = write_dataset(self._store, request.dataset, lines, {})
        return filter_pb2.FilterImagesResponse(
            manifest_uri=uri, verdicts=Counter(line.judgement.verdict for line in lines)
        )

    def ExplainImages(self, request: Any) -> Any:  # noqa: N802
        return explainer_pb2.ExplainImagesResponse(explanations_uri="x", count=request.limit)

    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    def ids(self, method: str) -> list[str]:
        return [request.request_id for asked, request in self.asked if asked == method]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    import numpy as np

    random = np.random.default_rng(0)
    for label in ("good", "defect"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def settings_for(photos: Path, **sections: Any) -> PipelineSettings:
    values = {
        "name": "line",
        "data": {"directory": str(photos)},
        "generator": {"resolution_px": 16},
        "synthesis": {"quota": 10, "surplus": 1.2, "max_rounds": 3},
        **sections,
    }
    return resolve(values, {})


def go(store: ObjectStore, settings: PipelineSettings, services: Answers, **options: Any) -> RunResult:
    return run_line(STEPS, store, settings, services, Silent(), **options)


def test_whoever_watches_is_told_what_came_of_each_step_and_which_is_done_again(photos: Path) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            super().__init__()
            self.came: dict[str, str] = {}
            self.again: set[str] = set()

        def started(self, step: str, why: str, *, again: bool = False) -> None:
            self.again |= {step} if again else set()

        def finished(self, step: str, seconds: float, came_of_it: str = "") -> None:
            self.came[step] = came_of_it

        def skipped(self, step: str, why: str, came_of_it: str = "") -> None:
            self.came[step] = f"before: {came_of_it}"

    store, first, second = MemoryStore(), Told(), Told()
    run_line(STEPS, store, settings_for(photos), Answers(store), first)
    assert first.came["ingest"].startswith("24 photographs (12 good, 12 defect), 24 parts, ")
    assert first.came["baseline-evaluate"] == "macro-F1 50.0%"
    assert first.again == set()
    run_line(STEPS, store, settings_for(photos, explain={"limit": 3}), Answers(store), second)
    assert second.came["baseline-evaluate"] == "before: macro-F1 50.0%"
    assert second.again == {"explain"}


def test_a_second_run_asks_nothing(photos: Path) -> None:
    store = MemoryStore()
    first = go(store, settings_for(photos), Answers(store))
    again = Answers(store)
    second = go(store, settings_for(photos), again)
    assert again.asked == []
    assert sorted(second.skipped) == sorted(step.name for step in STEPS)
    assert second.outputs == first.outputs
    assert (list(first.seconds), second.seconds) == (first.ran, {})


class Strict(Answers):
    """Services whose filter accepts one image of a hundred."""

    def FilterImages(self, request: Any) -> Any:  # noqa: N802
        lines = [
            replace(line, judgement=replace(line.judgement, verdict="rejected" if i % 100 else "accepted"))
            for i, line in enumerate(read_manifest(self._store, request.manifest_uri))
        ]
        uri = write_dataset(self._store, request.dataset, lines, {})
        verdicts = Counter(line.judgement.verdict for line in lines)
        return filter_pb2.FilterImagesResponse(manifest_uri=uri, verdicts=verdicts)


@pytest.mark.parametrize(("quota", "rounds"), [(100, [120]), (20, [24, 80])])
def test_no_more_images_are_asked_of_a_generator_of_which_hardly_any_is_accepted(
    photos: Path, quota: int, rounds: list[int]
) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    synthesis = settings.synthesis.model_copy(update={"quota": quota})  # 1.2 times as many in the first round
    services = Strict(store)
    go(store, settings.model_copy(update={"synthesis": synthesis}), services)
    assert [r.count for m, r in services.asked if m == "Synthesize"] == [*rounds, *rounds]


def test_rounds_go_on_until_the_quota_is_met_and_no_image_is_drawn_twice(photos: Path) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    services = Answers(store)
    outputs = go(store, settings, services).outputs
    # 12 made, 8 accepted; 2 wanted at an acceptance of 2/3, a tenth more: 4 made, 3 accepted.
    assert [r.count for m, r in services.asked if m == "Synthesize"] == [12, 4, 12, 4]
    assert [r.first_seed for m, r in services.asked if m == "Synthesize"] == [0, 12, 0, 12]
    assert {label: filtered.accepted for label, filtered in outputs[FILTER].root.items()} == {"good": 11, "defect": 11}
    assert outputs[dataset_of("expanded")].synthetic == {"good": 10, "defect": 10}
    judged = [r for m, r in services.asked if m == "FilterImages"]
    assert list(judged[1].accepted_manifest_uris) == [outputs[FILTER].root["defect"].rounds[0].manifest_uri]
    assert {r.judge_model for r in judged} == {"line.judge/1"}


def test_real_lines_are_in_the_expanded_dataset_as_they_were(photos: Path) -> None:
    store = MemoryStore()
    outputs = go(store, settings_for(photos), Answers(store)).outputs
    real = read_manifest(store, outputs[INGEST].manifest_uri)
    expanded = read_manifest(store, outputs[dataset_of("expanded")].manifest_uri)
    assert expanded[: len(real)] == real
    assert {(line.split, line.origin.kind) for line in expanded[len(real) :]} == {("train", "synthetic")}


def test_both_arms_take_the_same_number_of_steps_of_the_same_settings(photos: Path) -> None:
    store = MemoryStore()
    services = Answers(store)
    settings = settings_for(photos, classifier={"batch": 8})
    outputs = go(store, settings, services).outputs
    asked = {r.name: r for m, r in services.asked if m == "TrainClassifier"}
    baseline, expanded = (asked[f"line.{arm}"].settings for arm in ("baseline", "expanded"))
    assert baseline == expanded
    train = sum(outputs[INGEST].counts["train"].values())
    assert baseline.steps_per_epoch == -(-(train + 20) // 8)


def test_the_judge_is_no_arm_and_no_cycle_of_it_knows_all_real_images(photos: Path) -> None:
    store = MemoryStore()
    services = Answers(store)
    outputs = go(store, settings_for(photos, filter={"judge_cycles": 4}), services).outputs
    asked = {r.name: r for m, r in services.asked if m == "TrainClassifier"}
    judge, baseline = asked["line.judge"], asked["line.baseline"]
    assert (judge.folds, judge.cycles, baseline.folds) == (4, 4, 0)
    assert (judge.settings.square_px, baseline.settings.square_px) == (16, 0)  # a judge sees what a generator can make
    judge.settings.ClearField("square_px")
    assert judge.settings == baseline.settings
    assert judge.manifest_uri == outputs[INGEST].manifest_uri
    assert not set(range(judge.seed, judge.seed + 4)) & set(range(baseline.seed, baseline.seed + baseline.cycles))
    again = Answers(store)
    assert "judge" in go(store, settings_for(photos, filter={"judge_cycles": 2}), again).ran


def test_a_generator_that_has_not_learned_enough_is_said_to_be_so(photos: Path) -> None:
    class Strange(Answers):
        def FilterImages(self, request: Any) -> Any:  # noqa: N802
            response = super().FilterImages(request)
            response.reasons["outlier"] = len(read_manifest(store, request.manifest_uri)) * 2 // 3
            return response

    store, watcher = MemoryStore(), Silent()
    run_line(STEPS, store, settings_for(photos), Strange(store), watcher)
    assert [text for text in watcher.warnings if text.startswith("good: ") and "not learned enough" in text]
    calm = Silent()
    run_line(STEPS, store, settings_for(photos, name="calm"), Answers(store), calm)
    assert not [text for text in calm.warnings if "not learned enough" in text]


def test_a_step_remembers_what_it_warned_of_each_once(photos: Path) -> None:
    class Doubtful(Answers):
        def operate(self, method: Operation[Any, Any], request: Any, on_report: Any) -> Any:
            if method.name == "TrainGenerator":
                on_report(Report("", 1, 9, "kimg", warning="no KID"))
            return super().operate(method, request, on_report)

        def FilterImages(self, request: Any) -> Any:  # noqa: N802
            response = super().FilterImages(request)
            response.warnings.append("the judge knows all real images")
            return response

    store, watcher = MemoryStore(), Silent()
    run_line(STEPS, store, settings_for(photos), Doubtful(store), watcher)
    record = RunRecord(store, "line")
    keys = (GENERATORS, FILTER, INGEST, trained("baseline"), trained("expanded"))
    generators, filtered, ingested, baseline, expanded = (record.step(key) for key in keys)
    assert generators is not None
    assert filtered is not None
    assert ingested is not None
    assert baseline is not None
    assert expanded is not None
    assert generators.warnings == ("no KID",)
    assert filtered.warnings == ("the judge knows all real images",)
    (few,) = baseline.warnings
    assert few.startswith("probabilities are fitted on 4 validation images, fewer than 30")
    assert expanded.warnings == (), "all arms are fitted on the same images"
    of_others = (*filtered.warnings, *baseline.warnings)
    assert ingested.warnings == tuple(dict.fromkeys(x for x in watcher.warnings if x not in of_others))


def test_a_step_remembers_where_its_time_went(photos: Path) -> None:
    class Slow(Answers):
        def EvaluateClassifier(self, request: Any) -> Any:  # noqa: N802
            with phase("waiting"):
                time.sleep(0.2)
            account_for(Spent(computing=0.15, cores=0.3))
            return super().EvaluateClassifier(request)

    store = MemoryStore()
    go(store, settings_for(photos), Slow(store))
    times = {time.step: time for time in times_of(RunRecord(store, "line"))}
    assert list(times) == [step.name for step in STEPS]
    evaluated, ingested = times["baseline-evaluate"].spent, times["ingest"].spent
    assert evaluated.computing >= 0.15
    assert evaluated.waiting >= 0.05
    assert evaluated.cores >= 0.3
    assert times["baseline-evaluate"].share >= 0.3 / evaluated.elapsed / len(os.sched_getaffinity(0))
    assert min(ingested.reading, ingested.computing, ingested.writing) > 0


def test_generators_are_trained_beside_the_steps_that_do_not_need_them(photos: Path) -> None:
    began, judged = threading.Event(), threading.Event()

    class Beside(Answers):
        def TrainGenerator(self, request: Any) -> Any:  # noqa: N802
            began.set()
            assert judged.wait(PATIENT_S), "the judge waits for the generators"
            time.sleep(0.1)
            return super().TrainGenerator(request)

        def TrainClassifier(self, request: Any) -> Any:  # noqa: N802
            assert began.wait(PATIENT_S), "the generators wait for the classifiers"
            if request.name.endswith("judge"):
                judged.set()
            return super().TrainClassifier(request)

    store = MemoryStore()
    result = go(store, settings_for(photos), Beside(store))
    assert result.ran.index("judge") < result.ran.index("generators") < result.ran.index("filter")
    assert sorted(result.ran) == sorted(step.name for step in STEPS)
    assert result.elapsed_s >= result.seconds["generators"] >= 0.1


def test_what_failed_beside_others_ends_the_run_and_what_was_done_is_kept(photos: Path) -> None:
    began, failed = threading.Event(), threading.Event()

    class Failing(Answers):
        def TrainGenerator(self, request: Any) -> Any:  # noqa: N802
            assert began.wait(PATIENT_S)
            failed.set()
            raise InvalidInput("no such start")

        def TrainClassifier(self, request: Any) -> Any:  # noqa: N802
            began.set()
            assert failed.wait(PATIENT_S)
            return super().TrainClassifier(request)

    store = MemoryStore()
    with pytest.raises(InvalidInput, match="no such start"):
        go(store, settings_for(photos), Failing(store))
    assert "baseline" in go(store, settings_for(photos), Answers(store)).skipped


@pytest.mark.parametrize("broken", ["TrainGenerator", "FilterImages", "ExplainImages"])
def test_a_run_that_stopped_goes_on_with_the_same_request_ids(photos: Path, broken: str) -> None:
    store, undisturbed_store = MemoryStore(), MemoryStore()
    undisturbed = Answers(undisturbed_store)
    expected = go(undisturbed_store, settings_for(photos), undisturbed)

    def fail(method: str, _request: Any) -> None:
        if method == broken:
            raise Unavailable("gone")

    before, after = Answers(store, fail), Answers(store)
    with pytest.raises(Unavailable):
        go(store, settings_for(photos), before)
    result = go(store, settings_for(photos), after)
    beside = {"baseline", "baseline-evaluate"} if broken == "TrainGenerator" else set[str]()  # done or not by then
    assert not set(result.ran) & ({"ingest", "baseline", "baseline-evaluate"} - beside)
    assert after.ids(broken) == undisturbed.ids(broken)
    assert result.outputs[dataset_of("expanded")] == expected.outputs[dataset_of("expanded")]


def test_rounds_of_other_settings_are_left_alone(photos: Path) -> None:
    store = MemoryStore()
    first = go(store, settings_for(photos), Answers(store)).outputs[FILTER].root
    before = {uri: store.get(store.key(uri)) for x in first.values() for r in x.rounds for uri in
              (r.manifest_uri, r.synthetic_manifest_uri)}  # fmt: skip
    milder = go(store, settings_for(photos, filter={"threshold": 0.5}), Answers(store)).outputs[FILTER].root
    larger = go(store, settings_for(photos, synthesis={"quota": 20}), Answers(store)).outputs[FILTER].root
    assert {uri: store.get(store.key(uri)) for uri in before} == before
    for label, filtered in first.items():
        assert milder[label].rounds[0].manifest_uri != filtered.rounds[0].manifest_uri
        # The same images are judged otherwise; another number of them is something else.
        assert milder[label].rounds[0].synthetic_manifest_uri == filtered.rounds[0].synthetic_manifest_uri
        assert larger[label].rounds[0].synthetic_manifest_uri != filtered.rounds[0].synthetic_manifest_uri
    assert go(store, settings_for(photos), Answers(store)).outputs[FILTER].root == first


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ({"explain": {"limit": 3}}, {"explain"}),
        ({"filter": {"threshold": 0.5}}, {"filter", "review", "expanded-dataset", "expanded"}),
        ({"generator": {"resolution_px": 16, "kimg": 2}}, {"generators"}),
        ({"allow_random_weights": True}, set()),
    ],
)
def test_a_changed_setting_runs_only_what_it_changes(photos: Path, change: dict, ran: set[str]) -> None:
    store = MemoryStore()
    go(store, settings_for(photos), Answers(store))
    assert set(go(store, settings_for(photos, **change), Answers(store)).ran) == ran


def test_how_far_a_start_is_survives_a_kill_and_ends_with_the_run(photos: Path) -> None:
    seen: list[Underway | None] = []

    def fail(method: str, _request: Any) -> None:
        seen.append(record.underway())
        if method == "EvaluateClassifier":
            raise Unavailable("gone")

    store = MemoryStore()
    record = RunRecord(store, "line")
    go(store, settings_for(photos), Answers(store))
    assert record.underway() is None
    changed = settings_for(photos, classifier={"epochs": 3})
    with pytest.raises(Unavailable):
        go(store, changed, Answers(store, fail))
    assert seen[0] is not None
    assert (set(seen[0].settled), seen[0].ran) == ({"ingest", "generators"}, ()), "before anything has run anew"
    stopped = record.underway()
    assert stopped is not None
    assert stopped.since == seen[0].since
    assert set(stopped.settled) == {"ingest", "generators", "baseline"}
    assert stopped.ran == ("baseline",)
    seen.clear()
    go(store, settings_for(photos, classifier={"epochs": 3}), Answers(store, lambda *_: seen.append(record.underway())))
    assert seen[0] is not None
    assert seen[0].since == stopped.since
    assert set(seen[0].settled) == {"ingest", "generators", "baseline"}
    assert seen[0].ran == ("baseline",)
    assert record.underway() is None


def test_what_one_label_is_trained_for_repeats_no_other_labels_training(photos: Path) -> None:
    store = MemoryStore()
    first, longer, other_seed = Answers(store), Answers(store), Answers(store)
    generator = {"kimg": 8, "transfer_kimg": 2, "start_label": "good"}
    go(store, settings_for(photos, generator=generator), first)
    go(store, settings_for(photos, generator={**generator, "transfer_kimg": 4}), longer)
    good, defect = first.ids("TrainGenerator")
    assert longer.ids("TrainGenerator")[0] == good, "the service finds the finished training"
    assert longer.ids("TrainGenerator")[1] != defect
    go(
        store,
        settings_for(photos, seed=1, generator={"kimg": 8, "transfer_kimg": 2, "start_label": "good"}),
        other_seed,
    )
    assert not set(other_seed.ids("TrainGenerator")) & {good, defect}


def test_a_step_that_was_never_done_needs_no_reason_and_a_forced_one_names_who_wished_it(photos: Path) -> None:
    class Whys(Silent):
        def __init__(self) -> None:
            super().__init__()
            self.of: dict[str, str] = {}

        def started(self, step: str, why: str, *, again: bool = False) -> None:
            self.of[step] = why

    def fail(method: str, _request: Any) -> None:
        if method == "EvaluateClassifier":
            raise Unavailable("gone")

    store, settings = MemoryStore(), settings_for(photos)
    plan = make_plan(STEPS, settings, RunRecord(store, "line"), store, first="", weights="")
    assert {decision.why for decision in plan} == {""}
    stopped, continued, forced = Whys(), Whys(), Whys()
    with pytest.raises(Unavailable):
        run_line(STEPS, store, settings, Answers(store, fail), stopped)
    run_line(STEPS, store, settings, Answers(store), continued)
    assert stopped.of == {"ingest": "", "baseline": "", "baseline-evaluate": "", "generators": ""}
    assert set(continued.of) >= {step.name for step in STEPS} - {"ingest", "baseline", "generators"}
    assert not set(continued.of) & {"ingest", "baseline"}
    assert set(continued.of.values()) == {""}
    run_line(STEPS, store, settings, Answers(store), forced, first="expanded-evaluate")
    assert forced.of == dict.fromkeys(("expanded-evaluate", "explain"), "forced by --from expanded-evaluate")


def test_a_plan_names_what_has_changed_from_what_to_what(photos: Path) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    record = RunRecord(store, "line")
    go(store, settings, Answers(store))

    def whys(settings: PipelineSettings, weights: str = "") -> dict[str, str]:
        return {d.step: d.why for d in make_plan(STEPS, settings, record, store, first="", weights=weights)}

    changed = settings_for(photos, generator={"resolution_px": 16, "kimg": 2, "labels": ["good"]}, explain={"limit": 3})
    assert whys(changed)["generators"] == (
        'its inputs have changed: the labels that get a generator from ["defect", "good"] to ["good"], '
        "generator.kimg from unset to 2"
    )
    assert whys(settings, "5" * 64)["baseline"] == (
        "its inputs have changed: the weights to start from: none before, now a file"
    )
    assert whys(settings_for(photos, classifier={"epochs": 3}))["baseline"] == (
        "its inputs have changed: classifier.epochs from unset to 3"
    )
    (photos / "good/0.png").unlink()
    assert whys(settings)["ingest"] == (
        "its inputs have changed: the files of the photographs from 24 entries to 23 entries"
    )


def test_a_record_of_before_says_that_something_changed(photos: Path) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    record = RunRecord(store, "line")
    go(store, settings, Answers(store))
    remembered = record.step(INGEST)
    assert remembered is not None
    record.finish(remembered.model_copy(update={"inputs": {}, "input_hash": "0" * 64}))
    plan = make_plan(STEPS, settings, record, store, first="", weights="")
    assert plan[0].why == "its inputs have changed"


def test_a_touched_photograph_is_read_again_but_nothing_is_trained_again(photos: Path) -> None:
    import os

    store = MemoryStore()
    go(store, settings_for(photos), Answers(store))
    os.utime(photos / "good/0.png", (1, 1))
    assert go(store, settings_for(photos), Answers(store)).ran == ["ingest"]


def test_a_forced_step_asks_under_new_ids_and_its_continuation_under_the_same(photos: Path) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    first = Answers(store)
    go(store, settings, first)

    def fail(method: str, _request: Any) -> None:
        if method == "ExplainImages":
            raise Unavailable("gone")

    stopped, continued, forced_again = Answers(store, fail), Answers(store), Answers(store)
    with pytest.raises(Unavailable):
        go(store, settings, stopped, first="expanded")
    assert stopped.methods() == ["TrainClassifier", "EvaluateClassifier"]
    assert stopped.ids("TrainClassifier")[0] not in first.ids("TrainClassifier")
    assert go(store, settings, continued, first="expanded").ran == ["explain"]
    go(store, settings, forced_again, first="expanded")
    assert forced_again.ids("TrainClassifier") != stopped.ids("TrainClassifier")


def no_weights(method: str, request: Any) -> None:
    if method == "TrainClassifier" and request.settings.initial_weights == "imagenet":
        raise WeightsMissing("ImageNet weights of MobileNetV2 were not found")


def test_without_weights_a_real_run_stops_and_says_how_to_go_on(photos: Path) -> None:
    store = MemoryStore()
    with pytest.raises(FailedPrecondition, match="--allow-random-weights"):
        go(store, settings_for(photos), Answers(store, no_weights))


def test_with_leave_both_arms_start_from_random_weights_and_it_is_said(photos: Path) -> None:
    store, watcher = MemoryStore(), Silent()
    services = Answers(store, no_weights)
    run_line(STEPS, store, settings_for(photos, allow_random_weights=True), services, watcher)
    assert {r.settings.initial_weights for m, r in services.asked if m == "TrainClassifier"} == {"random"}
    assert [text for text in watcher.warnings if "there are no ImageNet weights" in text]


def test_a_generator_for_a_label_that_is_not_there_is_refused(photos: Path) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidInput, match="scratched"):
        go(store, settings_for(photos, generator={"labels": ["scratched"]}), Answers(store))


def test_the_plan_says_what_would_run_and_why(photos: Path) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    record = RunRecord(store, "line")

    def plan(settings: PipelineSettings, first: str = "") -> dict[str, str]:
        return {d.step: d.action for d in make_plan(STEPS, settings, record, store, first=first, weights="")}

    assert set(plan(settings).values()) == {"run"}
    go(store, settings, Answers(store))
    assert set(plan(settings).values()) == {"skip"}
    assert plan(settings, "expanded")["explain"] == "run"
    changed = plan(settings_for(photos, generator={"kimg": 2}))
    assert changed["baseline"] == "skip"
    assert changed["generators"] == "run"
    assert changed["filter"] == changed["explain"] == "maybe"
    assert plan(settings)["generators"] == "skip", "a plan changes nothing"


def test_an_unknown_step_lists_those_there_are(photos: Path) -> None:
    with pytest.raises(InvalidInput, match="baseline-evaluate"):
        go(MemoryStore(), settings_for(photos), Answers(MemoryStore()), first="bake")


@pytest.mark.parametrize(("wanted", "first"), [("auto", "good"), ("defect", "defect"), ("", "")])
def test_labels_start_from_the_generator_of_the_most_frequent_one(photos: Path, wanted: str, first: str) -> None:
    for number in range(6):  # so that good is the most frequent
        (photos / f"defect/{number}.png").unlink()
    store = MemoryStore()
    services = Answers(store)
    go(store, settings_for(photos, generator={"kimg": 8, "transfer_kimg": 2, "start_label": wanted}), services)
    asked = {r.label: (r.initial_model, r.settings.kimg) for m, r in services.asked if m == "TrainGenerator"}
    if first:
        assert next(iter(asked)) == first
    for label in ("good", "defect"):
        assert asked[label] == ((f"line.{first}/1", 2) if first not in ("", label) else ("starter", 8))


def test_a_start_label_that_has_no_generator_is_refused(photos: Path) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidInput, match="scratch"):
        go(store, settings_for(photos, generator={"start_label": "scratch"}), Answers(store))


def test_a_broken_record_is_named_by_its_step_with_the_option_that_mends_it(photos: Path) -> None:
    store, settings = MemoryStore(), settings_for(photos)
    go(store, settings, Answers(store))
    store.put("runs/line/steps/judge.json", b"{")
    with pytest.raises(Corrupted, match=r"^what the run 'line' remembers of judge is not JSON .*: .*--from judge$"):
        go(store, settings, Answers(store))
    assert "judge" in go(store, settings, Answers(store), first="judge").ran
