"""What is said of a label's synthetic images, by what was measured of their generator and of them."""

import json
from dataclasses import replace

import pytest

from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.accepted import Learned, doubts_of, learned
from orchestrator.pipeline.outputs import FilteredLabel, Round, TrainedGenerator
from orchestrator.pipeline.presets import PRESETS


def judged(accepted: int, rejected: int, outliers: int = 0, quota: int = 10) -> FilteredLabel:
    one = Round(
        synthetic_manifest_uri="", manifest_uri="", content_hash="", curve_uri="",
        verdicts={"accepted": accepted, "rejected": rejected}, reasons={"outlier": outliers},
    )  # fmt: skip
    return FilteredLabel(rounds=[one], quota=quota, accepted=accepted)


LONG, SHORT = Learned(40, 40, None), Learned(1, 40, None)


@pytest.mark.parametrize(
    ("filtered", "known", "signs"),
    [
        (judged(10, 10), LONG, []),
        (judged(10, 10), SHORT, ["it was shown 1,000 images while it trained, where preset quick shows 40,000"]),
        (judged(10, 10), Learned(1, 40, 0.8), []),  # short, and measured to be enough
        (judged(10, 10), Learned(40, 40, 0.38), ["only 38% of the photographs held out have one like them"]),
        (judged(10, 10), Learned(40, 40, 0.0), ["none of the photographs held out have one like them"]),
        (judged(10, 31), LONG, ["31 of 41 were rejected"]),
        (judged(10, 30), LONG, []),
        (judged(10, 30, 21), LONG, ["21 of 40 images are farther from every real one"]),
        (judged(10, 31), SHORT, ["31 of 41 were rejected", "it was shown 1,000 images"]),
        (judged(10, 10), None, []),
    ],
)
def test_a_generator_that_has_not_learned_enough_is_known_by_what_was_measured(
    filtered: FilteredLabel, known: Learned | None, signs: list[str]
) -> None:
    said = doubts_of({"good": (filtered, known)})
    assert len(said) == bool(signs)
    assert all(sign in said[0] for sign in signs)
    assert all(text.startswith("good: the generator has not learned enough, so expect blurred") for text in said)


def test_too_few_images_are_said_with_advice_where_the_generator_is_not_to_blame() -> None:
    (alone,) = doubts_of({"good": (judged(9, 9), LONG)})
    assert alone.startswith("good: only 9 of the 10 synthetic images wanted were accepted, of 18 that were made. Train")
    short, blamed = doubts_of({"good": (judged(9, 9), SHORT)})
    assert short.endswith("of 18 that were made")
    assert blamed.endswith("Train it longer (--set generator.kimg=40)")
    (blamed,) = doubts_of({"good": (judged(10, 10), replace(SHORT, model="run.good/1"))})
    look = "Look at what it makes (`defectory generator show run.good/1` names its sheet)"
    assert blamed.endswith(f"{look}; train it longer (--set generator.kimg=40)")
    (blamed,) = doubts_of({"good": (judged(10, 31), LONG)})
    assert blamed.endswith("Train it longer (more generator.kimg)")


def test_what_weighs_most_is_said_first_over_all_labels_and_once() -> None:
    strict = "good: the judge would reject 3 of 4 real validation images"
    rounds = [judged(1, 9).rounds[0].model_copy(update={"doubts": [strict]})] * 2
    labels = {"defect": (judged(9, 9), SHORT), "good": (FilteredLabel(rounds=rounds, quota=2, accepted=2), LONG)}
    said = doubts_of(labels)
    assert said[0] == strict
    assert said[1].startswith("defect: only 9 of the 10 synthetic images wanted")
    none = {"good": (FilteredLabel(rounds=rounds, quota=2, accepted=0), LONG)}
    assert doubts_of(none)[1].startswith("good: none of the 2 synthetic images wanted were accepted")
    assert [text.partition(":")[0] for text in said[2:]] == ["defect", "good"]
    assert len(said) == 4


@pytest.mark.parametrize(("start", "wanted"), [("starter", "kimg"), ("", "kimg"), ("run.good/1", "transfer_kimg")])
def test_what_is_recommended_is_the_preset_of_the_same_start(start: str, wanted: str) -> None:
    store = MemoryStore()
    card = {
        "initial_model": start, "shipped_kimg": 2.0,
        "history": [{"kimg": 1.0, "coverage": 0.1}, {"kimg": 2.0, "coverage": 0.7}, {"kimg": 3.0}],
    }  # fmt: skip
    store.put("card.json", json.dumps(card).encode())
    generator = TrainedGenerator(
        name="run.x", version="1", weights_sha256="", kimg=3, augment_p=0, sample_uri="", shipped_kimg=2,
        shipped_reason="", leaks=[], card_uri=store.uri("card.json"),
    )  # fmt: skip
    assert learned(store, generator) == Learned(
        3,
        PRESETS["quick"]["generator"][wanted],
        0.7,
        f"generator.{wanted}",  # type: ignore[arg-type]
        "run.x/1",
    )
    assert learned(store, generator.model_copy(update={"card_uri": store.uri("gone.json")})) is None
