"""ImageNet weights are found for the width that is asked for, and never those of another."""

from pathlib import Path

import pytest

from defectory.errors import FailedPrecondition, InvalidInput, WeightsMissing
from defectory.weights import FILE
from services.classifier import weights
from services.classifier.model import Network, build
from services.classifier.settings import PUBLISHED_WIDTHS, training_settings
from services.classifier.weights import load_imagenet
from tests.unit.classifier.classifier_samples import ARCHITECTURE


@pytest.fixture
def network() -> Network:
    return build(ARCHITECTURE)  # of width 0.35


def test_a_narrow_network_takes_the_published_weights_of_its_width(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, published = [], build(ARCHITECTURE, seed=4).base
    monkeypatch.setattr(weights.keras.applications, "MobileNetV2", lambda **said: asked.append(said) or published)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / FILE).write_bytes(b"of width 1")
    assert load_imagenet(network, 0.35, {"shared": str(tmp_path)}) == "keras"
    assert (asked[0]["alpha"], asked[0]["weights"]) == (0.35, "imagenet")
    for ours, theirs in zip(network.base.get_weights(), published.get_weights(), strict=True):
        assert (ours == theirs).all()


def test_a_missing_width_is_named(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(**said: object) -> None:
        raise ValueError("no network")

    monkeypatch.setattr(weights.keras.applications, "MobileNetV2", absent)
    with pytest.raises(FailedPrecondition, match=r"MobileNetV2 \(width multiplier 0.35\) were not found"):
        load_imagenet(network, 0.35, {"shared": str(tmp_path)})
    wrong = tmp_path / "wrong.weights.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(InvalidInput, match=r"width multiplier 0\.35"):
        load_imagenet(network, 0.35, {"weights": str(wrong)})


def test_they_are_searched_where_somebody_said_and_not_beside_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(**said: object) -> None:
        raise ValueError("no network")

    wide = build(ARCHITECTURE.model_copy(update={"width_multiplier": 1.0}))
    monkeypatch.setattr(weights.keras.applications, "MobileNetV2", absent)
    (tmp_path / "shared" / "weights").mkdir(parents=True)
    wide.base.save_weights(tmp_path / "shared" / "weights" / FILE)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(WeightsMissing):
        load_imagenet(wide, 1.0, {"shared": ""})
    assert load_imagenet(wide, 1.0, {"shared": "../shared"}) == FILE
    assert load_imagenet(wide, 1.0, {"weights": f"../shared/weights/{FILE}"}) == f"../shared/weights/{FILE}"
    with pytest.raises(InvalidInput, match="there is no such file"):  # what is named is meant, whatever lies elsewhere
        load_imagenet(wide, 1.0, {"weights": "other.weights.h5", "shared": "../shared"})


def test_only_published_widths_start_from_imagenet() -> None:
    for width in PUBLISHED_WIDTHS:
        assert training_settings({"width_multiplier": width}, 64).width_multiplier == width
    with pytest.raises(InvalidInput, match=r"use 0\.35, 0\.5, 0\.75, 1\.0, 1\.3, 1\.4, or initial_weights random"):
        training_settings({"width_multiplier": 0.6}, 64)
    assert training_settings({"width_multiplier": 0.6, "initial_weights": "random"}, 64).width_multiplier == 0.6
