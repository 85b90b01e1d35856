"""The arms that an experiment can name, and those that a line has not."""

import re
from collections.abc import Mapping

from pydantic import Field

from orchestrator.pipeline.arms import AUGMENTATION, ArmSettings
from orchestrator.pipeline.edit_settings import EditSettings

SHARE = re.compile(r"^(.+)-(100|[1-9][0-9]?)$")  # an arm and its least share of photographs, in per cent
MORE = re.compile(r"^more-real-([1-9][0-9]{0,3})$")  # photographs a kind


class MoreReal(ArmSettings):
    """An arm on more of a fold's training photographs, where the others have few: what the instrument is proven by.

    Several of them are points of a learning curve, by which it is said how many photographs a gain is worth.
    """

    per_kind: int = Field(
        0, ge=0, description="photographs of a kind of defect, and as many times more good ones; 0: all"
    )

    @property
    def has_own_dataset(self) -> bool:
        """Always: the other arms' photographs are fewer."""
        return True


class Memory(ArmSettings):
    """An arm that needs no defect: the distance to what good training parts look like (PatchCore)."""


class SetDefects(ArmSettings):
    """An arm on synthetic defects that are set into real good parts, whichever view the other arms' generators have."""


ANOMALIES = EditSettings(count=160, shares={"patch": 1, "scar": 1, "texture": 2})
AUGMENTED = {"augment": AUGMENTATION}

# The reference is balanced and augmented, and so are those that are compared with it: only the images differ.
NAMED: Mapping[str, ArmSettings] = {
    arm.name: arm
    for arm in (
        ArmSettings(name="real", trains_on="real", title="real photographs"),
        ArmSettings(name="balanced", trains_on="balanced", title="labels drawn equally"),
        ArmSettings(name="augmented", trains_on="balanced", title="balanced, augmented", classifier=AUGMENTED),
        MoreReal(name="more-real", trains_on="real", title="all real photographs"),
        Memory(name="memory", trains_on="real", title="memory of good parts"),
        ArmSettings(name="edited", trains_on="edited", title="edited photographs", classifier=AUGMENTED),
        ArmSettings(
            name="procedural", trains_on="edited", title="anomalies out of good parts", classifier=AUGMENTED,
            edits=ANOMALIES,
        ),
        ArmSettings(name="synthetic", trains_on="synthetic", title="synthetic, as made", classifier=AUGMENTED),
        ArmSettings(name="filtered", trains_on="filtered", title="synthetic, filtered", classifier=AUGMENTED),
        ArmSettings(name="reviewed", trains_on="reviewed", title="synthetic, reviewed", classifier=AUGMENTED),
        SetDefects(name="defects", trains_on="filtered", title="synthetic defects in real parts", classifier=AUGMENTED),
        ArmSettings(
            name="edited-synthetic", trains_on="edited+filtered", title="edited, and synthetic, filtered",
            classifier=AUGMENTED,
        ),
        ArmSettings(
            name="pretrained", trains_on="filtered", title="synthetic first, then real",
            classifier={**AUGMENTED, "pretraining": 0.5},
        ),
    )
}  # fmt: skip


def by_name(entry: object) -> object:
    """A name stands for its arm; anything else is an arm as pipelines have them.

    `more-real-40` has 40 photographs a kind, `edited-75` is `edited` of whose draws 75% are photographs at least.

    Raises:
        ValueError: no arm has that name.
    """
    if not isinstance(entry, str):
        return entry
    if entry in NAMED:
        return NAMED[entry]
    if more := MORE.match(entry):
        return MoreReal(name=entry, trains_on="real", title=f"{more[1]} photographs a kind", per_kind=int(more[1]))
    if (share := SHARE.match(entry)) and (arm := NAMED.get(share[1])) and _is_mixed(arm):
        classifier = {**arm.classifier, "real_share": int(share[2]) / 100}
        title = f"{arm.title}, {share[2]}% photographs"
        return arm.model_copy(update={"name": entry, "title": title, "classifier": classifier})
    mixed = ", ".join(name for name, arm in NAMED.items() if _is_mixed(arm))
    raise ValueError(
        f"there is no arm {entry!r}: use {', '.join(NAMED)}, more-real-N (N photographs a kind), one of {mixed} with a "
        "least share of photographs behind it (edited-75), or an entry with name and trains_on"
    )


def _is_mixed(arm: ArmSettings) -> bool:
    """Whether photographs and made images are drawn together."""
    return arm.takes_made and "pretraining" not in arm.classifier
