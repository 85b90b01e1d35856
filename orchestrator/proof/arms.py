"""The arms that an experiment can name, and the one that a line has not: all photographs that there are."""

from collections.abc import Mapping

from orchestrator.pipeline.arms import AUGMENTATION, ArmSettings
from orchestrator.pipeline.edit_settings import EditSettings


class MoreReal(ArmSettings):
    """An arm on all of a fold's training photographs, where the others have few: what the instrument is proven by."""

    @property
    def has_own_dataset(self) -> bool:
        """Always: the other arms' photographs are fewer."""
        return True


ANOMALIES = EditSettings(count=160, shares={"patch": 1, "scar": 1, "texture": 2})

# The reference is balanced and augmented, and so are those that are compared with it: only the images differ.
NAMED: Mapping[str, ArmSettings] = {
    arm.name: arm
    for arm in (
        ArmSettings(name="real", trains_on="real", title="real photographs"),
        ArmSettings(name="balanced", trains_on="balanced", title="labels drawn equally"),
        ArmSettings(
            name="augmented", trains_on="balanced", title="balanced, augmented", classifier={"augment": AUGMENTATION}
        ),
        MoreReal(name="more-real", trains_on="real", title="all real photographs"),
        ArmSettings(
            name="edited", trains_on="edited", title="edited photographs", classifier={"augment": AUGMENTATION}
        ),
        ArmSettings(
            name="procedural",
            trains_on="edited",
            title="anomalies out of good parts",
            classifier={"augment": AUGMENTATION},
            edits=ANOMALIES,
        ),
        ArmSettings(
            name="edited-synthetic",
            trains_on="edited+filtered",
            title="edited, and synthetic, filtered",
            classifier={"augment": AUGMENTATION},
        ),
        ArmSettings(
            name="synthetic", trains_on="synthetic", title="synthetic, as made", classifier={"augment": AUGMENTATION}
        ),
        ArmSettings(
            name="filtered", trains_on="filtered", title="synthetic, filtered", classifier={"augment": AUGMENTATION}
        ),
    )
}


def by_name(entry: object) -> object:
    """A name stands for its arm; anything else is an arm as pipelines have them.

    Raises:
        ValueError: no arm has that name.
    """
    if isinstance(entry, str) and entry not in NAMED:
        raise ValueError(f"there is no arm {entry!r}: use {', '.join(NAMED)}, or an entry with name and trains_on")
    return NAMED[entry] if isinstance(entry, str) else entry
