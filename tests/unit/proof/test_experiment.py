"""A whole experiment against a classifier service that answers at once: plan, folds, resumption, verdict, report."""

import csv
import io
import json
import re
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import DEFAULT_READING, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from defectory.storage import ObjectStore
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.plan import make_plan
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.runner import RunResult, run_line
from orchestrator.proof.judgement import Rules, judge
from orchestrator.proof.line import experiment_line
from orchestrator.proof.page import share_sweeps
from orchestrator.proof.pictures import share_curve
from orchestrator.proof.preview import preview, record_of
from orchestrator.proof.proven import PROOF, Proven
from orchestrator.proof.reading import trial_outcome
from orchestrator.proof.shift import levels_of
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.report.documents import Evaluation
from orchestrator.review.journal import Change, Journal
from orchestrator.review.subject import read_subject
from tests.unit.orchestrator.test_pipeline_runner import Answers, Silent
from tests.unit.proof.test_judgement import ONE, experiment

Training = classifier_pb2.TrainClassifierRequest

GOOD, DEFECTIVE, FOLDS, SEEDS = 90, 90, 3, 2
KIND = "<crack>"  # as a folder may be called
SKILL = {
    "synthetic": 0.7,
    "filtered": 0.8,
    "real": 0.6,
    "augmented": 0.7,
    "more-real": 1.0,
    "noise": 0.0,
    "oracle": 1.2,
    "twin": 0.7,
    "memory": 0.9,
    "reviewed": 0.8,
    "defects": 0.8,
    "pretrained": 0.7,
    "more-real-10": 0.8,
}


class Classifiers(Answers):
    """Services whose classifiers are as good as their arm's skill; keeps what was asked, and can be struck down."""

    def __init__(self, store: ObjectStore, lives: int = 10**6) -> None:
        super().__init__(store)
        self.store = store
        self.asked: list[Any] = []
        self._lives = lives

    def operate(self, method: Any, request: Any, on_report: Any) -> Any:
        if len(self.asked) == self._lives:
            raise KeyboardInterrupt
        self.asked.append(request)
        return getattr(self, method.name)(request)

    def TrainClassifier(self, request: Any) -> Any:  # noqa: N802
        classifier = classifier_pb2.Classifier(name=request.name, version="1", weights_sha256=request.manifest_uri)
        return classifier_pb2.TrainClassifierResponse(classifier=classifier)

    def EvaluateClassifier(self, request: Any) -> Any:  # noqa: N802
        arm = request.model.partition(".")[2].partition("/")[0]
        uri = self._write(f"evaluations/{request.model}/{request.split}.json", request.manifest_uri, request.split, arm)
        return classifier_pb2.EvaluateClassifierResponse(evaluation_uri=uri, metrics={"f1": 0.5})

    def ScoreAnomalies(self, request: Any) -> Any:  # noqa: N802
        assert request.cycles == SEEDS
        arm = request.output_prefix.partition(".")[2]
        uris = {
            split: self._write(f"{request.output_prefix}/{split}.json", request.manifest_uri, split, arm)
            for split in request.splits
        }
        return classifier_pb2.ScoreAnomaliesResponse(evaluation_uris=uris)

    def _write(self, key: str, manifest_uri: str, split: str, arm: str) -> str:
        lines = [line for line in read_manifest(self.store, manifest_uri) if line.split == split]
        document = {
            "labels": ["defect", "good"],
            "cycles": [{"metrics": {}}] * SEEDS,
            "images": [
                {
                    "sha256": line.file.sha256, "label": line.label, "group": line.group,
                    "probabilities": [_probabilities(line, SKILL[arm], seed) for seed in range(SEEDS)],
                }
                for line in lines
            ],
        }  # fmt: skip
        self.store.put(key, json.dumps(document).encode())
        return self.store.uri(key)

    def trainings(self) -> list[Any]:
        return [request for request in self.asked if isinstance(request, Training)]


def request_of(services: Classifiers, kind: type, fold: int) -> list[Any]:
    """Requests of a kind that a fold made, by the names of what they make."""
    named = [(getattr(x, "name", "") or x.dataset, x) for x in services.asked if isinstance(x, kind)]
    return [request for name, request in named if name.startswith(f"proof-f{fold}.")]


def _probabilities(line: ManifestLine, skill: float, seed: int) -> list[float]:
    """Of defect and good: noise that the arms have in common, and as much truth as the skill is."""
    noise = np.random.default_rng([int(line.file.sha256[:8], 16), seed]).normal()
    defect = 1 / (1 + np.exp(-(noise + 2 * skill * (1 if line.label == "defect" else -1))))
    return [float(defect), float(1 - defect)]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for label, count in (("good", GOOD), (KIND, DEFECTIVE)):
        (folder / label).mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(folder / label / f"{number}.png")
    return folder


def spec_of(photographs: Path, *arms: object, **more: object) -> ExperimentSpec:
    given = arms or ("real", "augmented", "more-real")
    values = {"few_shot": {"per_kind": 4, "good": 20}, "folds": FOLDS, "seeds": SEEDS, **more}
    return ExperimentSpec.model_validate(
        {"name": "proof", "data": {"directory": str(photographs)}, "arms": list(given), **values}
    )


def carried_out(spec: ExperimentSpec, services: Classifiers) -> RunResult:
    record = RunRecord(services.store, spec.name, "experiments")
    return run_line(experiment_line(spec), services.store, spec.pipeline, services, Silent(), record=record)


def arm(name: str) -> dict[str, str]:
    return {"name": name, "trains_on": "balanced"}


@pytest.fixture(scope="module")
def done(photographs: Path) -> tuple[Classifiers, Proven, RunResult]:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", *map(arm, ("noise", "oracle", "twin")))
    result = carried_out(spec, services)
    return services, result.outputs[PROOF], result


def test_arms_whose_worth_is_known_get_the_right_verdict(done: tuple[Classifiers, Proven, RunResult]) -> None:
    _, proven, _ = done
    assert proven.can_tell
    assert proven.primary == "macro-F1", "90 defective parts are enough"
    assert proven.outcomes["oracle"] == proven.outcomes["more-real"] == "helped"
    assert proven.outcomes["noise"] == "hurt"
    assert proven.outcomes["twin"] == "no benefit", "its answers are those of the reference"
    first, *others = proven.verdict
    assert first.startswith("The test can tell: all real photographs in place of few change macro-F1 by +")
    (oracle,) = [sentence for sentence in others if sentence.startswith("oracle: helped")]
    assert re.search(r"macro-F1 \+\d+\.\d points \(95% interval \+\d+\.\d to \+\d+\.\d\) against augmented", oracle)
    (twin,) = [sentence for sentence in others if sentence.startswith("twin")]
    assert twin.startswith("twin: no benefit: a gain of 1 point or more is excluded – macro-F1 +0.0 points")
    assert re.search(r"cost of 1,000 parts -\d+ \(95% interval -\d+ to -\d+\)", oracle), "and what that is worth"


def test_a_test_that_more_photographs_do_not_move_tells_nothing(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SKILL, "more-real", SKILL["real"])
    proven = carried_out(spec_of(photographs, "real", "augmented", "more-real", arm("oracle")),
                         Classifiers(MemoryStore())).outputs[PROOF]  # fmt: skip
    assert not proven.can_tell
    assert set(proven.outcomes.values()) == {"cannot tell"}
    assert proven.verdict[0].startswith("This test cannot tell, whatever the arms below show")


def test_no_part_is_in_training_and_test_and_each_is_tested_once(done: tuple[Classifiers, Proven, RunResult]) -> None:
    services, _, _ = done
    tested: list[str] = []
    for request in {request.manifest_uri: request for request in services.asked if hasattr(request, "split")}.values():
        lines = read_manifest(services.store, request.manifest_uri)
        test = {line.file.sha256 for line in lines if line.split == "test"}
        tested += test
        for training in services.trainings():
            if training.name.partition(".")[0] == request.model.partition(".")[0]:
                trained = [x for x in read_manifest(services.store, training.manifest_uri) if x.split == "train"]
                assert not test & {x.file.sha256 for x in trained}
                assert not {x.group for x in lines if x.split == "test" and x.group} & {x.group for x in trained}
    assert len(tested) == len(set(tested)) == GOOD + DEFECTIVE


def test_arms_have_few_photographs_and_equal_steps_and_more_real_has_all(
    done: tuple[Classifiers, Proven, RunResult],
) -> None:
    services, _, _ = done
    trainings = services.trainings()
    assert len(trainings) == 6 * FOLDS, "all seeds of a fold are cycles of one training"
    assert {training.cycles for training in trainings} == {SEEDS}
    of_more_real: list[str] = []
    for training in trainings:
        lines = [x for x in read_manifest(services.store, training.manifest_uri) if x.split == "train"]
        if training.name.endswith(".more-real"):
            of_more_real += [x.file.sha256 for x in lines]
        else:
            chosen = {label: {x.file.sha256 for x in lines if x.label == label} for label in ("good", "defect")}
            assert {label: len(different) for label, different in chosen.items()} == {"good": 20, "defect": 4}
        assert training.settings.steps_per_epoch == 2, "some 60 photographs in batches of 32"
        assert training.settings.patience == 0
    assert len(of_more_real) == len(set(of_more_real)) == GOOD + DEFECTIVE, "with three folds each trains in one"


def test_made_images_come_from_their_folds_photographs_and_take_half_of_a_batch(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", "synthetic", "filtered", synthesis={"quota": 10})
    assert set(carried_out(spec, services).outputs[PROOF].outcomes) == {"real", "more-real", "synthetic", "filtered"}
    for fold in range(1, FOLDS + 1):
        trainings = {x.name.partition(".")[2]: x for x in request_of(services, Training, fold)}
        (training,) = {trainings[name].manifest_uri for name in ("real", "judge")}
        generators = request_of(services, generator_pb2.TrainGeneratorRequest, fold)
        filterings = request_of(services, filter_pb2.FilterImagesRequest, fold)
        assert {x.manifest_uri for x in generators} == {x.real_manifest_uri for x in filterings} == {training}
        assert {x.judge_model for x in filterings} == {f"proof-f{fold}.judge/1"}
        for name, synthetic_count in (("synthetic", 20), ("filtered", 20), ("more-real", 0)):
            lines = read_manifest(services.store, trainings[name].manifest_uri)
            assert sum(not line.is_real for line in lines if line.split == "train") == synthetic_count, name
        shares = {name: x.settings.HasField("real_share") for name, x in trainings.items()}
        assert [name for name, is_set in shares.items() if is_set] == ["synthetic", "filtered"]
        assert trainings["filtered"].settings.real_share == 0.5
        assert trainings["filtered"].settings.augment == trainings["augmented"].settings.augment == 0.5
        assert len({x.settings.steps_per_epoch for x in trainings.values()}) == 1


def test_a_memory_is_compared_without_being_trained(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", "memory", memory={"patches": 70})
    proven = carried_out(spec, services).outputs[PROOF]
    assert proven.outcomes["memory"] == "helped"
    compared = [x for x in services.asked if isinstance(x, classifier_pb2.ScoreAnomaliesRequest)]
    assert [list(x.splits) for x in compared] == [["validation", "test"]] * FOLDS
    assert {x.patches for x in compared} == {70}
    assert not [x for x in services.trainings() if "memory" in x.name]
    few = {x.manifest_uri for x in services.trainings() if x.name.endswith(".real")}
    assert {x.manifest_uri for x in compared} == few, "it remembers the few photographs that the others learn"
    before = preview(MemoryStore(), spec, weights="starter", weights_content="starter")
    assert before.trainings == 3 * FOLDS * SEEDS


def test_a_trials_memory_never_sees_the_test(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", "memory", judged_on="validation")
    scores = carried_out(spec, services).outputs[PROOF].scores
    assert scores["memory"]["AUROC"][0] > scores["augmented"]["AUROC"][0]
    compared = [x for x in services.asked if isinstance(x, classifier_pb2.ScoreAnomaliesRequest)]
    assert {tuple(x.splits) for x in compared} == {("validation",)}


def test_defects_have_generators_and_a_filter_of_their_own(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", "filtered", "defects", synthesis={"quota": 10})
    assert "defects" in carried_out(spec, services).outputs[PROOF].outcomes
    generators = {x.name for x in services.asked if isinstance(x, generator_pb2.TrainGeneratorRequest)}
    of_fold = {name.partition(".")[2] for name in generators if name.startswith("proof-f2.")}
    assert of_fold == {"good", "defect"}
    assert {name for name in generators if name.startswith("proof-f2-set.")} == {"proof-f2-set.defect"}, (
        "good parts are photographs; without masks a defect is learned as a whole part"
    )
    trainings = {x.name.partition(".")[2]: x for x in request_of(services, Training, 2)}
    labels = {
        arm: Counter(x.label for x in read_manifest(services.store, trainings[arm].manifest_uri) if not x.is_real)
        for arm in ("filtered", "defects")
    }
    assert labels == {"filtered": {"good": 10, "defect": 10}, "defects": {"defect": 10}}
    assert len({x.settings.steps_per_epoch for x in trainings.values() if x.name.partition(".")[2] != "judge"}) == 1


def test_what_is_pretrained_and_reviewed_is_what_the_filter_accepted(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    arms = ("real", "augmented", "more-real", "filtered", "reviewed", "pretrained")
    assert set(arms[3:]) <= set(
        carried_out(spec_of(photographs, *arms, synthesis={"quota": 10}), services).outputs[PROOF].outcomes
    )
    trainings = {x.name.partition(".")[2]: x for x in request_of(services, Training, 1)}
    pictures = {
        name: [x.file.sha256 for x in read_manifest(services.store, trainings[name].manifest_uri)]
        for name in ("filtered", "reviewed", "pretrained")
    }
    assert pictures["filtered"] == pictures["reviewed"] == pictures["pretrained"]
    assert trainings["pretrained"].settings.pretraining == 0.5
    assert not trainings["pretrained"].settings.HasField("real_share")


class Severe(Classifiers):
    """Services whose filter accepts nothing in some folds."""

    def __init__(self, store: ObjectStore, *folds: int) -> None:
        super().__init__(store)
        self._folds = tuple(f"proof-f{fold}." for fold in folds)

    def FilterImages(self, request: Any) -> Any:  # noqa: N802
        if not request.dataset.startswith(self._folds):
            return super().FilterImages(request)
        lines = [
            replace(line, judgement=replace(line.judgement, verdict="rejected"))
            for line in read_manifest(self.store, request.manifest_uri)
        ]
        uri = write_dataset(self.store, request.dataset, lines, {})
        return filter_pb2.FilterImagesResponse(manifest_uri=uri, verdicts={"rejected": len(lines)})


def test_a_fold_in_which_nothing_is_accepted_is_trained_without_and_the_others_go_on(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SKILL, "filtered", 1.2)
    services = Severe(MemoryStore(), 2)
    arms = ("real", "augmented", "more-real", "filtered", "synthetic", "pretrained")
    spec = spec_of(photographs, *arms, synthesis={"quota": 10})
    proven = carried_out(spec, services).outputs[PROOF]
    for fold in range(1, FOLDS + 1):
        trainings = {x.name.partition(".")[2]: x for x in request_of(services, Training, fold)}
        for name in arms[3:]:
            lines = [x for x in read_manifest(services.store, trainings[name].manifest_uri) if x.split == "train"]
            origins = Counter(x.origin.kind for x in lines)
            assert origins["synthetic"] == (0 if fold == 2 and name != "synthetic" else 20), (fold, name)
            if fold == 2 and name != "synthetic":
                assert Counter(x.label for x in lines) == {"good": 20, "defect": 20}, "drawn equally, as beside images"
        assert len({x.settings.steps_per_epoch for x in trainings.values()}) == 1
        assert trainings["filtered"].settings.augment == trainings["augmented"].settings.augment
    assert proven.outcomes.keys() == set(arms) - {"augmented"}
    assert proven.outcomes["filtered"] == "helped", "the whole recipe is judged, as a factory would have it"
    (said,) = [x for x in proven.verdict if x.startswith("filtered: no synthetic image")]
    assert "was accepted in fold 2 of 3, where it was trained without, under the same settings" in said
    page = page_of(services, proven)
    assert said in page
    assert page.count("(without made images in 1 of 3 folds)") == 2


def test_of_an_arm_for_which_nothing_was_ever_accepted_nothing_is_told(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("filtered", "memory"):
        monkeypatch.setitem(SKILL, name, 1.2)
    services = Severe(MemoryStore(), 1, 2, 3)
    spec = spec_of(photographs, "real", "augmented", "more-real", "filtered", "memory", synthesis={"quota": 10})
    proven = carried_out(spec, services).outputs[PROOF]
    assert proven.can_tell
    assert proven.outcomes["filtered"] == "cannot tell", "its figures are those of photographs, whatever they are"
    assert proven.outcomes["memory"] == "helped"
    assert any(x.startswith("filtered: cannot tell: no synthetic image was accepted –") for x in proven.verdict)
    assert proven.verdict[-1].startswith("filtered: no synthetic image was accepted in any fold")


class Slow(Classifiers):
    """Services that train a generator until a classifier is trained beside it; notes how many go on at once."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.generators: list[str] = []  # by fold, as they begin
        self.at_once: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._beside = threading.Event()

    def operate(self, method: Any, request: Any, on_report: Any) -> Any:
        self.at_once[method.name] += 1
        self.most[method.name] = max(self.most[method.name], self.at_once[method.name])
        try:
            return super().operate(method, request, on_report)
        finally:
            self.at_once[method.name] -= 1

    def TrainGenerator(self, request: Any) -> Any:  # noqa: N802
        self._beside.clear()
        self.generators.append(request.name.partition(".")[0])
        assert self._beside.wait(20) or self.generators[-1] == f"proof-f{FOLDS}", "no classifier is trained beside it"
        return super().TrainGenerator(request)

    def TrainClassifier(self, request: Any) -> Any:  # noqa: N802
        self._beside.set()
        time.sleep(0.02)
        return super().TrainClassifier(request)


def test_one_generator_at_a_time_is_trained_beside_the_classifiers_of_its_fold_or_the_next(photographs: Path) -> None:
    services = Slow(MemoryStore())
    generator = {"labels": ["defect"]}
    spec = spec_of(
        photographs, "real", "augmented", "more-real", "filtered", synthesis={"quota": 10}, generator=generator
    )
    carried_out(spec, services)
    assert services.generators == [f"proof-f{fold}" for fold in range(1, FOLDS + 1)], "folds in their order"
    assert services.most["TrainGenerator"] == services.most["TrainClassifier"] == 1


def test_what_a_person_rejects_of_a_fold_leaves_the_reviewed_arm(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", "filtered", "reviewed", synthesis={"quota": 10})
    carried_out(spec, services)
    subject = read_subject(services.store, "proof-f2", DEFAULT_READING)
    assert {dataset.name.partition(".")[0] for dataset in subject.datasets} == {"proof-f2"}
    row = next(i for i, line in enumerate(subject.lines) if line.judgement.verdict == "accepted")
    rejected = subject.lines[row].file.sha256
    journal = Journal(services.store, subject.datasets[subject.of_row[row]].name, "Ada")
    journal.append("0" * 32, [Change(sha256=rejected, verdict="rejected")])
    asked = len(services.asked)
    again = carried_out(spec, services)
    assert "fold2-reviewed" in again.ran
    assert not [step for step in again.ran if step.startswith(("fold1-", "fold3-"))]
    (training,) = [x for x in services.asked[asked:] if isinstance(x, Training)]
    assert rejected not in {x.file.sha256 for x in read_manifest(services.store, training.manifest_uri)}
    with pytest.raises(NotFound, match="nor a fold of an experiment"):
        read_subject(services.store, "other-f2", DEFAULT_READING)


def test_points_between_few_and_all_photographs_say_what_a_gain_is_worth(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs, "real", "augmented", "more-real", "more-real-10", "memory")
    proven = carried_out(spec, services).outputs[PROOF]
    for training in services.trainings():
        if training.name.endswith(".more-real-10"):
            lines = [x for x in read_manifest(services.store, training.manifest_uri) if x.split == "train"]
            count = Counter(x.label for x in lines)
            assert count["defect"] == 10
            assert 25 <= count["good"] <= 35, "50 are wanted, and so many are there"
    rows = csv.DictReader(
        io.StringIO(services.store.get(services.store.key(proven.files["learning_curve.csv"])).decode())
    )
    assert [round(float(row["photographs"])) for row in rows] == [24, 40, 60]
    (worth,) = csv.DictReader(io.StringIO(services.store.get(services.store.key(proven.files["worth.csv"])).decode()))
    assert worth["arm"] == "memory"
    assert 0 <= float(worth["low"]) <= float(worth["value"]) <= float(worth["high"]) <= 60 - 24
    (sentence,) = [x for x in proven.verdict if x.startswith("memory: helped")]
    assert re.search(r"; worth (at least )?\d+ real photographs more \(95% interval ", sentence)
    assert '<section id="learning_curve">' in page_of(services, proven)
    assert (
        Image.open(io.BytesIO(services.store.get(services.store.key(proven.files["learning_curve.png"])))).size[0] > 400
    )


def test_the_same_command_skips_what_is_done(done: tuple[Classifiers, Proven, RunResult], photographs: Path) -> None:
    services, proven, result = done
    assert not result.skipped
    asked = len(services.asked)
    spec = spec_of(photographs, "real", "augmented", "more-real", *map(arm, ("noise", "oracle", "twin")))
    again = carried_out(spec, services)
    assert again.ran == []
    assert len(services.asked) == asked
    assert again.outputs[PROOF] == proven


def test_an_experiment_that_was_stopped_goes_on_to_the_same_verdict(photographs: Path) -> None:
    spec = spec_of(photographs)
    whole = carried_out(spec, Classifiers(MemoryStore()))
    store = MemoryStore()
    stopped = Classifiers(store, lives=11)
    with pytest.raises(KeyboardInterrupt):
        carried_out(spec, stopped)
    decisions = make_plan(
        experiment_line(spec), spec.pipeline, RunRecord(store, spec.name, "experiments"), store, first="",
        weights="",
    )  # fmt: skip
    assert [x.step for x in decisions if x.action == "skip"][:5] == [
        "ingest", "fold1-ingest", "fold2-ingest", "fold3-ingest", "fold1-real"
    ]  # fmt: skip
    rest = Classifiers(store)
    result = carried_out(spec, rest)
    assert len(result.skipped) == sum(x.action == "skip" for x in decisions) > 10
    assert len(stopped.asked) + len(rest.asked) == 3 * 3 * FOLDS
    first, second = (x.outputs[PROOF].model_dump(exclude={"report_uri", "files"}) for x in (whole, result))
    assert first == second


def test_the_page_says_all_and_runs_nothing(done: tuple[Classifiers, Proven, RunResult]) -> None:
    services, proven, _ = done
    page = services.store.get(services.store.key(proven.report_uri)).decode()
    assert "&lt;crack&gt;" in page
    assert KIND not in page
    assert "<script" not in page
    assert not re.findall(r'src="(?!data:)', page), "it needs nothing from anywhere"
    assert {*re.findall(r'href="([^"]+)"', page)} <= proven.files.keys(), "what it names lies beside it"
    for sentence in proven.verdict:
        assert sentence in page
    assert "A test of the signs of 3 folds can never give p below 0.25" in page
    assert "1 spec has been judged on them" in page
    for section in ("arms", "scores", "kinds", "gains", "folds", "cost", "protocol"):
        assert f'<section id="{section}">' in page, section


def test_tables_and_figures_lie_beside_the_page(done: tuple[Classifiers, Proven, RunResult]) -> None:
    services, proven, _ = done

    def content(name: str) -> bytes:
        return services.store.get(services.store.key(proven.files[name]))

    rows = list(csv.DictReader(io.StringIO(content("scores.csv").decode())))
    (row,) = [row for row in rows if (row["arm"], row["score"]) == ("oracle", "macro-F1")]
    assert float(row["value"]) == pytest.approx(proven.scores["oracle"]["macro-F1"][0])
    assert float(row["gain_value"]) == pytest.approx(
        proven.scores["oracle"]["macro-F1"][0] - proven.scores["augmented"]["macro-F1"][0]
    )
    tables = {}
    for name in ("gains", "folds", "cost", "kinds"):
        assert Image.open(io.BytesIO(content(f"{name}.png"))).size[0] > 400
        tables[name] = list(csv.DictReader(io.StringIO(content(f"{name}.csv").decode())))
    assert {name: len(rows) for name, rows in tables.items()} == {"gains": 5, "folds": 6 * FOLDS, "cost": 6, "kinds": 6}
    (gain,) = [row for row in tables["gains"] if row["arm"] == "oracle"]
    assert float(gain["value"]) == pytest.approx(100 * float(row["gain_value"]))
    said = json.loads(content("proof.json"))
    assert said["verdict"] == proven.verdict
    assert said["spec"]["folds"] == FOLDS


def test_every_spec_that_opens_the_test_is_counted_once(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    carried_out(spec_of(photographs), services)
    again = carried_out(spec_of(photographs, smallest_gain=0.02), services).outputs[PROOF]
    page = services.store.get(services.store.key(again.report_uri)).decode()
    assert "2 specs have been judged on them" in page
    carried_out(spec_of(photographs), services)
    assert len(list(services.store.list("openings/"))) == 2


@pytest.mark.parametrize(("defective", "primary"), [(29, "PR-AUC"), (30, "macro-F1")])
def test_few_defects_are_judged_by_the_order_of_the_scores(photographs: Path, defective: int, primary: str) -> None:
    spec = spec_of(photographs)
    assert spec.primary_of(defective) == primary
    assert spec.model_copy(update={"primary": "AUROC"}).primary_of(defective) == "AUROC"


def test_before_it_is_run_it_says_how_much_and_what_cannot_be_shown(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    spec = spec_of(photographs)
    before = preview(services.store, spec, weights="starter", weights_content="starter")
    assert before.trainings == 3 * FOLDS * SEEDS
    assert before.estimate.total_s > 0
    assert not before.estimate.unknown
    assert any("3 folds can never give p below 0.25" in limit for limit in before.limits)
    carried_out(spec, services)
    after = preview(services.store, spec, weights="", weights_content="")
    assert (after.trainings, after.estimate.total_s) == (0, 0)
    assert {decision.action for decision in after.plan} == {"skip"}


def test_what_cannot_end_well_is_refused_before_it_begins(photographs: Path) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidInput, match="no photograph is labelled 'fine'"):
        preview(store, spec_of(photographs, classifier={"good_label": "fine"}), weights="", weights_content="")
    store.put("runs/proof/pipeline.json", b"{}")
    with pytest.raises(FailedPrecondition, match="a run is called 'proof'"):
        record_of(store, spec_of(photographs))


def test_a_trial_leaves_the_test_shut_and_stands_in_every_report_that_follows(photographs: Path) -> None:
    services = Classifiers(MemoryStore())
    arms = ("real", "augmented", "more-real", arm("oracle"))
    tried = carried_out(spec_of(photographs, *arms, name="tried", judged_on="validation"), services).outputs[PROOF]
    assert {request.split for request in services.asked if hasattr(request, "split")} == {"validation"}
    assert tried.verdict[0].startswith("A trial: all figures are of validation")
    assert tried.outcomes["oracle"] == "helped"
    assert "<td>oracle</td>" in page_of(services, tried)
    assert "0 spec" in page_of(services, tried)
    later = carried_out(spec_of(photographs), services).outputs[PROOF]
    assert "1 spec has been judged on them" in page_of(services, later)
    said = json.loads(services.store.get(services.store.key(later.files["proof.json"])))
    (trial,) = said["trials"]
    assert trial["experiment"] == "tried"
    assert trial["arms"]["oracle"]["settings"] == arm("oracle")
    gain, low, high = trial["arms"]["oracle"]["gain"]
    assert low < gain < high
    assert gain == pytest.approx(tried.scores["oracle"]["macro-F1"][0] - tried.scores["augmented"]["macro-F1"][0])


def test_a_trials_thresholds_come_from_other_parts_than_it_is_measured_on(photographs: Path) -> None:
    parts = [f"p{number}" for number in range(40)]
    images = [
        {"sha256": f"{part}-{view}", "label": "defect" if number % 2 else "good", "group": part,
         "probabilities": [[score, 1 - score]]}
        for number, part in enumerate(parts) for view in range(2)
        for score in [(0.3 if number % 2 else 0.1)]
    ]  # fmt: skip
    document = Evaluation.model_validate({"labels": ["defect", "good"], "cycles": [{"metrics": {}}], "images": images})
    kinds = {image["sha256"]: "crack" for image in images}
    outcome = trial_outcome(document, kinds, spec_of(photographs))
    assert len(outcome.truth) == 80
    assert outcome.groups == 40
    np.testing.assert_array_equal(outcome.decided[0], outcome.truth)
    # A part whose score stands alone is judged by others: a threshold of its own would have got it right.
    lone = [{**image, "probabilities": [[0.05, 0.95]]} if image["group"] == "p1" else image for image in images]
    outcome = trial_outcome(
        Evaluation.model_validate({**document.model_dump(), "images": lone}), kinds, spec_of(photographs)
    )
    assert (outcome.decided[0] != outcome.truth).sum() == 2


def page_of(services: Classifiers, proven: Proven) -> str:
    return services.store.get(services.store.key(proven.report_uri)).decode()


def test_a_level_that_is_tested_was_left_out_of_training(photographs: Path, tmp_path: Path) -> None:
    names = sorted(str(path.relative_to(photographs)) for path in photographs.rglob("*.png"))
    weeks = {name: "ABC"[number % 3] for number, name in enumerate(names)}
    table = tmp_path / "groups.csv"
    table.write_text("image,group,Week\n" + "\n".join(f"{name},{name},{week}" for name, week in weeks.items()))
    services = Classifiers(MemoryStore())
    data = {"directory": str(photographs), "groups": str(table)}
    few = {"per_kind": 4, "good": 10}
    spec = spec_of(photographs, data=data, shift="week", few_shot=few)
    proven = carried_out(spec, services).outputs[PROOF]
    seen = []
    for fold in range(1, FOLDS + 1):
        for training in request_of(services, Training, fold):
            lines = read_manifest(services.store, training.manifest_uri)
            levels = {
                split: {weeks[line.origin.source] for line in lines if line.split == split}
                for split in ("train", "validation", "test")
            }
            assert len(levels["test"]) == 1
            assert levels["train"] == levels["validation"] == set("ABC") - levels["test"]
        seen += levels["test"]
    assert sorted(seen) == ["A", "B", "C"]
    assert "Every fold leaves one level of week out of training" in page_of(services, proven)


def test_a_shift_needs_a_column_with_levels(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"set data\.groups"):
        spec_of(photographs, shift="week")
    table = tmp_path / "groups.csv"
    table.write_text("image,group,week\ngood/0.png,1,A\n")
    spec = spec_of(photographs, data={"directory": str(photographs), "groups": str(table)}, shift="week")
    with pytest.raises(InvalidInput, match="no two levels in its column 'week'"):
        levels_of(spec)


def test_arms_that_differ_in_their_share_alone_give_a_curve(photographs: Path) -> None:
    swept = [
        {"name": f"twin-{share}", "trains_on": "edited", "classifier": {"real_share": share / 100}}
        for share in (50, 90)
    ]
    named = spec_of(photographs, "real", "augmented", "edited", "edited-75", "edited-100", edits={"count": 4})
    assert share_sweeps(named) == [{0.5: "edited", 0.75: "edited-75", 1.0: "edited-100"}]
    other = {"name": "twin-other", "trains_on": "edited", "classifier": {"real_share": 0.75, "augment": 0.1}}
    spec = spec_of(photographs, "real", "augmented", "more-real", *swept, other, edits={"count": 4})
    assert share_sweeps(spec) == [{0.5: "twin-50", 0.9: "twin-90"}]
    assert share_sweeps(spec_of(photographs)) == []


def test_the_curve_of_shares_is_a_figure_of_the_page() -> None:
    arms = experiment(0, augmented=0.8, half=0.85, most=0.82)
    proof = judge(arms, ONE, Rules("macro-F1", "augmented"), 0, 200)
    chart = share_curve("shares-1", proof, {0.5: "half", 0.9: "most"}, "augmented", "macro-F1")
    (axis,) = chart.figure.axes
    gains = [100 * proof.differences[name].gain.value for name in ("half", "most")]
    shown = [tuple(line.get_xydata().ravel()) for line in axis.lines]
    assert (50.0, gains[0], 90.0, gains[1]) in shown
    assert (100.0, 0.0) in shown, "with photographs only an arm is the reference"
    assert [(row["arm"], row["value"]) for row in chart.rows] == list(zip(("half", "most"), gains, strict=True))
