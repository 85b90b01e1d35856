"""What is said where the served training and the mean of all trainings are far apart."""

from orchestrator.report.documents import Evaluation
from orchestrator.report.served import Served, served_sentence


def served(confusion: list[list[int]], accuracies: list[float], main_cycle: int = 0, validation: int = 13) -> Served:
    """An arm whose served training decided so, of trainings of these accuracies (and macro-F1)."""
    document = {
        "labels": ["defect", "good"],
        "cycles": [{"metrics": {"accuracy": x, "f1": x}} for x in accuracies],
        "images": [],
        "decisions": {"confusion": confusion, "labels": {}, "escapes": {}},
    }
    return Served(Evaluation.model_validate(document), main_cycle, validation)


TEN_OF_13 = [[2, 2], [1, 8]]  # accuracy 76.9%, macro-F1 70.7% (scikit-learn)


def test_what_is_served_was_chosen_by_few_images_and_the_mean_says_more_of_the_recipe() -> None:
    arms = {"real only": served(TEN_OF_13, [0.769, 0.92, 0.92]), "other": served([[4, 0], [0, 9]], [1.0, 0.98])}
    assert served_sentence(arms) == (
        "“real only” has 70.7% macro-F1 as it is served, 87.0% on the mean of all trainings. The served training is "
        "the one with the best macro-F1 on 13 validation images, and by so few that choice is mostly chance. The "
        "mean says more of the recipe, the served one's row what one gets."
    )


def test_of_many_validation_images_no_chance_is_spoken_of() -> None:
    said = served_sentence({"a": served(TEN_OF_13, [0.769, 0.92, 0.92], validation=400)})
    assert "on 400 validation images." in said
    assert "chance" not in said


def test_where_the_training_is_like_the_mean_its_operating_point_is_the_reason() -> None:
    said = served_sentence({"a": served(TEN_OF_13, [0.92, 0.93, 0.92])})
    assert "operating point" in said
    assert "chance" not in said


def test_of_figures_that_are_near_each_other_or_of_one_training_nothing_is_said() -> None:
    assert served_sentence({"a": served(TEN_OF_13, [0.75, 0.76])}) == ""
    assert served_sentence({"a": served(TEN_OF_13, [0.99])}) == ""
