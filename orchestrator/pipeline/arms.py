"""Arms: what is compared. A classifier each, by what it is trained on and how; the first is the measure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from defectory.alike import one_of
from orchestrator.pipeline.edit_settings import EditSettings

if TYPE_CHECKING:
    from orchestrator.pipeline.settings import ClassifierSettings

TrainsOn = Literal["real", "balanced", "augmented", "edited", "synthetic", "filtered", "reviewed", "edited+filtered"]
SYNTHETIC: tuple[TrainsOn, ...] = ("synthetic", "filtered", "reviewed", "edited+filtered")  # beside the real ones
EDITED: tuple[TrainsOn, ...] = ("edited", "edited+filtered")
AUGMENTATION = 0.5  # strength, of an arm that trains on augmented images where nobody says another
MAX_ARMS = 16  # that one call explains side by side
COLOURS = ("#8a5a00", "#0b6bcb", "#1a7f37", "#8250df", "#c02525", "#0a7d8c", "#b27500", "#5b6675")
STEPS = (
    "ingest",
    "edits",
    "judge",
    "generators",
    "filter",
    "review",
    "explain",
    "report",
)  # names that steps have already


class ArmSettings(BaseModel):
    """An arm: what its classifier is trained on, and how. Validation and test images are the same in all arms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,23}$", description="name of its steps and of all that it makes")
    trains_on: TrainsOn = Field(
        description="real images; balanced: real ones, drawn equally often of every label; augmented: real ones under "
        "random changes (classifier.augment); beside real ones: edited, by recipe or hand (edits), synthetic, as made, "
        "filtered, those that the filter accepted, or reviewed, as people decided over the filter (defectory review); "
        "edited+filtered: both"
    )
    title: str = Field("", max_length=40, description="what the report calls it; empty: its name")
    classifier: Mapping[str, JsonValue] = Field(
        {}, description="its settings of a classifier, over the pipeline's section `classifier`"
    )
    edits: EditSettings | None = Field(
        None, description="its own edited pictures, in place of those of the pipeline's section `edits`"
    )
    colour: str = Field(
        "", pattern=r"^(#[0-9a-fA-F]{6})?$", description="colour in the report, #rrggbb; empty: by its place"
    )

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in STEPS or name.endswith(("-evaluate", "-dataset", "-edits")):
            raise ValueError(f"{name!r} is the name of a step; use another one")
        return name

    @model_validator(mode="after")
    def _has_its_edits(self) -> "ArmSettings":
        if self.edits is not None and not (self.takes_edited and self.edits.wanted):
            raise ValueError(
                f"the arm {self.name} has edits of its own: let it train on edited images, and set edits.count"
            )
        return self

    @field_validator("classifier")
    @classmethod
    def _in_range(cls, classifier: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        from orchestrator.pipeline.settings import ClassifierSettings  # which a pipeline has beside its arms

        ClassifierSettings.model_validate(dict(classifier))
        return classifier

    @property
    def shown(self) -> str:
        """What the report calls it."""
        return self.title or self.name

    @property
    def takes_synthetic(self) -> bool:
        """Whether synthetic images are among what it is trained on."""
        return self.trains_on in SYNTHETIC

    @property
    def takes_accepted(self) -> bool:
        """Whether they are those that were accepted, by the filter or by people."""
        return self.trains_on in ("filtered", "reviewed")

    @property
    def takes_edited(self) -> bool:
        """Whether edited pictures are among what it is trained on."""
        return self.trains_on in EDITED

    @property
    def takes_made(self) -> bool:
        """Whether images that are no photographs are among what it is trained on."""
        return self.takes_synthetic or self.takes_edited

    @property
    def has_own_dataset(self) -> bool:
        """Whether its training images are others than those ingested."""
        return self.trains_on not in ("real", "augmented")

    @property
    def has_own_start(self) -> bool:
        """Whether its base starts where the arm says, not where the first arm's did."""
        return "initial_weights" in self.classifier

    def classifier_settings(self, pipeline: "ClassifierSettings") -> "ClassifierSettings":
        """How its classifier is trained: the pipeline's settings, and its own over them."""
        augment = {"augment": AUGMENTATION} if self.trains_on == "augmented" and not pipeline.augment else {}
        return pipeline.model_validate({**pipeline.model_dump(), **augment, **self.classifier})


DEFAULT_ARMS = (
    ArmSettings(name="baseline", trains_on="real", title="real only", colour=COLOURS[0]),
    ArmSettings(name="expanded", trains_on="reviewed", title="real + synthetic", colour=COLOURS[1]),
)
NAMED_ARMS = (
    *DEFAULT_ARMS,
    ArmSettings(name="defects", trains_on="reviewed", title="real + synthetic defects", colour=COLOURS[1]),
    ArmSettings(name="balanced", trains_on="balanced", title="real (balanced)", colour=COLOURS[5]),
    ArmSettings(name="augmented", trains_on="augmented", title="real + augmentation", colour=COLOURS[2]),
    ArmSettings(name="edited", trains_on="edited", title="real + edited", colour=COLOURS[3]),
)

# Those of runs from before arms were settings.
FIRST_ARMS = (DEFAULT_ARMS[0], DEFAULT_ARMS[1].model_copy(update={"trains_on": "filtered"}))


def _by_name(entry: object) -> object:
    """An arm that there is already stands for its name."""
    named = next((arm for arm in NAMED_ARMS if arm.name == entry), None)
    if named is None and isinstance(entry, str):
        names = one_of(entry, [arm.name for arm in NAMED_ARMS])
        raise ValueError(f"for an arm of your own write {{name: …, trains_on: …}}, else {names}")
    return named or entry


def _comparable(arms: tuple[ArmSettings, ...]) -> tuple[ArmSettings, ...]:
    """Arms of different names, of which the first needs no synthetic image."""
    for field in ("name", "shown"):
        twice = [text for text, count in Counter(getattr(arm, field) for arm in arms).items() if count > 1]
        if twice:
            raise ValueError(f"two arms are called {twice[0]!r}; give each a name and a title of its own")
    if arms[0].takes_synthetic or arms[0].takes_edited:
        raise ValueError(
            f"the first arm, {arms[0].name}, is what the others are compared with, and who judges synthetic images "
            "starts as it does: let it train on real, balanced or augmented"
        )
    return arms


DefaultName = Literal["baseline", "expanded", "defects", "balanced", "augmented", "edited"]
Entry = Annotated[ArmSettings, BeforeValidator(_by_name, json_schema_input_type=ArmSettings | DefaultName)]
Arms = Annotated[tuple[Entry, ...], Field(min_length=2, max_length=MAX_ARMS), AfterValidator(_comparable)]


def colours(arms: Sequence[ArmSettings]) -> dict[str, str]:
    """title -> its colour, #rrggbb; an arm that names none gets the first that no other has."""
    taken = {arm.colour for arm in arms}
    free = [colour for colour in COLOURS if colour not in taken] or list(COLOURS)
    unnamed = [arm.shown for arm in arms if not arm.colour]
    chosen = {title: free[number % len(free)] for number, title in enumerate(unnamed)}
    return {arm.shown: arm.colour or chosen[arm.shown] for arm in arms}
