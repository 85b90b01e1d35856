"""The recipes are what the page on the classifier says, and single settings replace theirs."""

import re
from pathlib import Path

import pytest

from defectory.errors import InvalidInput
from defectory.job_settings.classifier_recipes import DIFFERENCES
from defectory.storage import open_store
from services.classifier.card import ClassifierCard
from services.classifier.settings import TrainingSettings, training_settings
from tests.unit.classifier.classifier_samples import bundle

PAGE = Path(__file__).parents[3] / "docs/classifier.md"


def test_the_page_names_every_setting_in_which_the_recipes_differ() -> None:
    table = PAGE.read_text().partition("| setting | `paper` | `best` |")[2].partition("\n\n")[0]
    rows = {name: (paper, best) for name, paper, best in re.findall(r"\| `(\w+)` \| (.*?) \| (.*?) \|", table)}
    assert list(rows) == list(DIFFERENCES["best"])
    defaults = TrainingSettings()
    for name, (paper, best) in rows.items():
        assert best == str(DIFFERENCES["best"][name])
        default = getattr(defaults, name)
        assert paper == ("224, or less" if name == "input_px" else f"{default:g}" if default != "all" else "all")


def test_what_is_best_is_the_default() -> None:
    settings = training_settings({}, 128)
    assert (settings.recipe, settings.input_px, settings.trainable_base, settings.epochs) == ("best", 224, "none", 60)


def test_the_papers_recipe_is_at_the_size_of_the_dataset() -> None:
    settings = training_settings({"recipe": "paper"}, 128)
    assert settings == TrainingSettings(recipe="paper", input_px=128)
    assert (settings.epochs, settings.learning_rate, settings.focal_gamma, settings.decay) == (40, 1e-5, 2.0, "none")


def test_a_given_setting_replaces_the_recipes() -> None:
    settings = training_settings({"recipe": "best", "input_px": 96, "epochs": 7}, 64)
    assert (settings.input_px, settings.epochs) == (96, 7)
    assert settings.label_smoothing == DIFFERENCES["best"]["label_smoothing"]


def test_the_recipes_name_of_before_is_told_from_the_lines_presets() -> None:
    with pytest.raises(InvalidInput, match="preset of a classifier is called recipe"):
        training_settings({"preset": "best"}, 64)


def test_a_recipe_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"settings\.recipe"):
        training_settings({"recipe": "bold"}, 64)


def test_a_card_that_has_the_name_of_before_is_read() -> None:
    _, card = bundle(open_store("memory://"), b"weights")
    written = card.model_dump(mode="json")
    written["settings"]["preset"] = written["settings"].pop("recipe")
    assert ClassifierCard.model_validate(written) == card
