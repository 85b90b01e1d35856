"""The presets are what the page on the classifier says, and single settings replace theirs."""

import re
from pathlib import Path

import pytest

from defectory.errors import InvalidInput
from services.classifier.settings import PRESETS, TrainingSettings, training_settings

PAGE = Path(__file__).parents[3] / "docs/classifier.md"


def test_the_page_names_every_setting_in_which_the_presets_differ() -> None:
    table = PAGE.read_text().partition("| setting | `paper` | `best` |")[2].partition("\n\n")[0]
    rows = {name: (paper, best) for name, paper, best in re.findall(r"\| `(\w+)` \| (.*?) \| (.*?) \|", table)}
    assert list(rows) == list(PRESETS["best"])
    defaults = TrainingSettings()
    for name, (paper, best) in rows.items():
        assert best == str(PRESETS["best"][name])
        default = getattr(defaults, name)
        assert paper == ("224, or less" if name == "input_px" else f"{default:g}" if default != "all" else "all")


def test_the_paper_is_the_default_at_the_size_of_the_dataset() -> None:
    settings = training_settings({}, 128)
    assert settings == TrainingSettings(input_px=128)
    assert (settings.epochs, settings.learning_rate, settings.focal_gamma, settings.decay) == (40, 1e-5, 2.0, "none")


def test_a_given_setting_replaces_the_presets() -> None:
    settings = training_settings({"preset": "best", "input_px": 96, "epochs": 7}, 64)
    assert (settings.input_px, settings.epochs) == (96, 7)
    assert settings.label_smoothing == PRESETS["best"]["label_smoothing"]


def test_a_preset_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"settings\.preset"):
        training_settings({"preset": "bold"}, 64)
