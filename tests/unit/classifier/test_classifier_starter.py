"""The shipped starter classifier: its files, what it is drawn from, and where it stands in for ImageNet weights."""

from pathlib import Path

import numpy as np
import pytest

from defectory.errors import Corrupted, FailedPrecondition, InvalidInput
from defectory.storage.memory import MemoryStore
from services.classifier import starter, weights
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build
from services.classifier.settings import training_settings
from services.classifier.starter import make
from services.classifier.starter.drawing import CELLS, FAULTS, QUESTIONS, SIDE_PX, draw
from services.classifier.training.preparation import Prepared, hold_to_base
from services.classifier.weights import FILE, load_base

LABELS = ("defect", "good")


@pytest.fixture(scope="module")
def network() -> Network:
    return build(Architecture(labels=LABELS, input_px=32, head_units=8))


@pytest.fixture(scope="module")
def narrow() -> Network:
    return build(Architecture(labels=LABELS, input_px=32, width_multiplier=0.35, head_units=8))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(**said: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(weights.keras.applications, "MobileNetV2", absent)


def test_the_shipped_files_fit_the_network_and_are_small(network: Network) -> None:
    shipped = starter.read_weights()
    assert {path: value.shape for path, value in shipped.items()} == {w.path: w.shape for w in network.base.weights}
    assert all(np.isfinite(value).all() for value in shipped.values())
    assert Path(starter.__file__).with_name(starter.WEIGHTS).stat().st_size <= 6 * 10**6


def test_the_batch_normalisation_of_the_shipped_files_was_trained() -> None:
    statistics = {path: value for path, value in starter.read_weights().items() if "moving" in path}
    assert len(statistics) == 104
    for path, value in statistics.items():
        fresh = 0.0 if "mean" in path else 1.0
        assert (value != fresh).mean() > 0.9, path


def test_the_command_that_makes_the_starter_does_what_the_card_says() -> None:
    card = starter.read_card()
    ours = (make.IMAGES, make.SEED, make.BATCH, make.STEPS, make.LEARNING_RATE, SIDE_PX, make.LEARNED_FROM)
    theirs = (card.images, card.seed, card.batch, card.steps, card.learning_rate, card.input_px, card.learned_from)
    assert ours == theirs
    assert card.accuracy.keys() == QUESTIONS.keys()


def test_the_starter_knows_its_drawings_better_than_chance() -> None:
    for question, right in starter.read_card().accuracy.items():
        assert right > 1.2 / QUESTIONS[question], question


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = starter.dump({"a/kernel": np.ones(3, np.float32)})
    starter.write(tmp_path, data[:-1] + b"x", starter.read_card())
    monkeypatch.setattr(starter, "files", lambda _: tmp_path)
    with pytest.raises(Corrupted, match="SHA-256"):
        starter.read_weights()


def test_without_imagenet_weights_the_starter_stands_in(network: Network, offline: None, tmp_path: Path) -> None:
    assert load_base(network, 1.0, "imagenet", {"shared": str(tmp_path)}) == "starter"
    shipped = starter.read_weights()
    assert all((weight.numpy() == shipped[weight.path]).all() for weight in network.base.weights)


def test_the_starter_can_be_named_where_there_are_imagenet_weights(network: Network, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    network.base.set_weights([np.ones_like(weight) for weight in network.base.get_weights()])
    network.base.save_weights(tmp_path / "weights" / FILE)
    places = {"shared": str(tmp_path)}
    assert load_base(network, 1.0, "imagenet", places) == "imagenet"
    before = network.base.get_weights()[0]
    assert load_base(network, 1.0, "imagenet", {**places, "weights": "starter"}) == "starter"
    assert (network.base.get_weights()[0] != before).any()
    assert load_base(network, 1.0, "starter", places) == "starter"


def test_there_is_no_starter_of_another_width(narrow: Network, offline: None, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"width multiplier 0\.35"):
        load_base(narrow, 0.35, "imagenet", {"shared": str(tmp_path)})
    with pytest.raises(InvalidInput, match=r"width multiplier 1, not 0\.5"):
        training_settings({"initial_weights": "starter", "width_multiplier": 0.5}, 64)


def test_a_training_that_finds_another_base_than_it_began_with_says_so() -> None:
    def prepared(which: str, sha256: str) -> Prepared:
        return Prepared(
            trainer=None, parts={}, skipped=[], initial_weights=which, base_sha256=sha256, preprocessing=None
        )

    store = MemoryStore()
    hold_to_base(store, "m/", prepared("starter", "aa"))
    hold_to_base(store, "m/", prepared("starter", "aa"))
    with pytest.raises(FailedPrecondition, match=r"'starter aa'.*'imagenet bb'.*--weights"):
        hold_to_base(store, "m/", prepared("imagenet", "bb"))


def test_a_drawing_depends_on_its_seed_only_and_answers_every_question() -> None:
    assert np.array_equal(draw(3).image, draw(3).image)
    assert not np.array_equal(draw(3).image, draw(4).image)
    drawn = [draw(seed) for seed in range(60)]
    for answers in (one.answers for one in drawn):
        assert all(0 <= answer < count for answer, count in zip(answers, QUESTIONS.values(), strict=True))
        assert (FAULTS[answers[3]] == "none") == (answers[4] == CELLS * CELLS)
    assert drawn[0].image.shape == (SIDE_PX, SIDE_PX, 3)


def test_a_turned_picture_tells_where_the_fault_has_gone() -> None:
    side, places = 6, np.arange(CELLS * CELLS)
    images = np.zeros((len(places), side, side, 3), np.uint8)
    for place in places:
        row, column = divmod(int(place), CELLS)
        images[place, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 255
    answers = np.stack([np.full_like(places, 5), places], axis=1)
    moved = set()
    for seed in range(6):
        pictures, turned_answers = make.turned(images, answers, np.random.default_rng(seed))
        for picture, (kept, place) in zip(pictures, turned_answers, strict=True):
            row, column = (int(at.min()) // 2 for at in np.nonzero(picture[..., 0]))
            assert (kept, place) == (5, row * CELLS + column)
        moved |= set(np.flatnonzero(turned_answers[:, 1] != places))
    assert len(moved) > CELLS


def test_a_picture_without_a_fault_has_no_place_however_it_is_turned() -> None:
    images, answers = np.zeros((8, 6, 6, 3), np.uint8), np.full((8, 1), CELLS * CELLS)
    assert (make.turned(images, answers, np.random.default_rng(0))[1] == CELLS * CELLS).all()
