"""What an experiment is to find out, and how: fixed before anything is run."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from defectory.datasets import folds
from defectory.errors import InvalidInput
from defectory.job_settings.base import JobSettings
from defectory.job_settings.classifier_training import MAX_CYCLES
from defectory.job_settings.memory import MemorySettings
from defectory.validation import validated
from orchestrator.pipeline.arms import MAX_ARMS, ArmSettings
from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.pipeline.data_settings import DataSettings
from orchestrator.pipeline.edit_settings import EditSettings
from orchestrator.pipeline.settings import (
    ClassifierSettings,
    FilterSettings,
    GeneratorSettings,
    PipelineSettings,
    SynthesisSettings,
    read_pipeline_file,
)
from orchestrator.proof.arms import Memory, MoreReal, by_name

Primary = Literal["macro-F1", "AUROC", "PR-AUC"]
NAME = r"^[a-z0-9][a-z0-9_-]{0,27}$"  # with what names a fold, still a run's name
FEW_DEFECTS = 30  # independent ones in the test, below which counts at a threshold say too little
Arm = Annotated[ArmSettings, BeforeValidator(by_name, json_schema_input_type=ArmSettings | str)]


class FewShot(JobSettings):
    """How few photographs the arms are trained on; `more-real` has all."""

    per_kind: int = Field(5, ge=1, le=10_000, description="photographs of a kind of defect, each of another part")
    good: int = Field(100, ge=1, le=100_000, description="photographs of good parts, of as many parts as there are")


class ExperimentSpec(JobSettings):
    """An experiment: arms × folds × seeds, and how they are compared."""

    name: str = Field("", max_length=28, description="name of the experiment; empty: the file's name")
    seed: int = Field(0, ge=0, le=2**61, description="seed of folds, choice of photographs, trainings and synthesis")
    data: DataSettings
    folds: int = Field(
        5, ge=folds.LEAST, le=folds.MOST, description="every part is tested in one of so many; the next one validates"
    )
    seeds: int = Field(3, ge=1, le=MAX_CYCLES, description="trainings of every arm in every fold")
    arms: tuple[Arm, ...] = Field(
        description="real, balanced, augmented, more-real, more-real-N (N photographs a kind), memory, edited, "
        "procedural, synthetic, filtered, reviewed, defects, edited-synthetic, pretrained, those with made images also "
        "with a least share of photographs (edited-75), or entries as in a pipeline's arms",
        min_length=2,
        max_length=MAX_ARMS,
    )
    reference: str = Field("augmented", description="the arm that all others are compared with")
    primary: Literal["auto", "macro-F1", "AUROC", "PR-AUC"] = Field(
        "auto", description="the score that decides; auto: macro-F1, or PR-AUC where fewer than 30 parts are defective"
    )
    judged_on: Literal["test", "validation"] = Field(
        "test",
        description="validation: a trial, of which the test learns nothing; thresholds of one half of the parts are "
        "then chosen on the other, and what came of it stands in the report of every experiment on these photographs",
    )
    smallest_gain: float = Field(
        0.01, ge=0, lt=1, description="difference of the primary score below which a change is worth nothing"
    )
    few_shot: FewShot | None = Field(None, description="train on few photographs; absent: on all of the other folds")
    shift: str = Field(
        "",
        max_length=64,
        description="a column of the table data.groups (an exposure, a lot, a week), of which every fold leaves a "
        "level out of training and is tested on that level alone; empty: none",
    )
    costs: CostSettings = CostSettings()
    real_share: float = Field(
        0.5,
        ge=1e-3,
        le=1,
        description="least share of photographs among the draws of a label and of a kind of defect, in arms with made "
        "images that say no other",
    )
    allow_random_weights: bool = Field(False, description="go on from random weights where there are no others")
    memory: MemorySettings = MemorySettings()
    edits: EditSettings = EditSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    generator: GeneratorSettings = GeneratorSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    filter: FilterSettings = FilterSettings()

    @field_validator("classifier")
    @classmethod
    def _seeds_are_the_cycles(cls, classifier: ClassifierSettings) -> ClassifierSettings:
        if "cycles" in classifier.model_fields_set:
            raise ValueError("cycles of a classifier are the experiment's seeds; say `seeds`")
        return classifier

    @model_validator(mode="after")
    def _fits_together(self) -> "ExperimentSpec":
        names = [arm.name for arm in self.arms]
        if self.reference not in names:
            raise ValueError(f"the reference {self.reference!r} is none of the arms: use one of {', '.join(names)}")
        if self.shift and self.data.groups is None:
            raise ValueError(f"shift names the column {self.shift!r} of a table, and there is none: set data.groups")
        if self.few_shot is None and any(isinstance(arm, MoreReal) for arm in self.arms):
            raise ValueError("more-real needs few_shot: without it every arm has all photographs already")
        for arm in self.arms:
            if isinstance(arm, MoreReal) and self.few_shot and 0 < arm.per_kind <= self.few_shot.per_kind:
                raise ValueError(f"{arm.name} has no more than few_shot.per_kind, {self.few_shot.per_kind}")
        if isinstance(self.arms[0], Memory) or self.reference in (x.name for x in self.arms if isinstance(x, Memory)):
            raise ValueError("memory trains nothing: let another arm be the first, and the reference")
        return self

    @property
    def pipeline(self) -> PipelineSettings:
        """The settings of the line that every fold is."""
        share = {"real_share": self.real_share}
        arms = [
            arm.model_copy(update={"classifier": {**share, **arm.classifier}})
            if arm.takes_made and "pretraining" not in arm.classifier
            else arm
            for arm in self.arms
        ]
        return validated(
            PipelineSettings,
            {
                "name": self.name, "seed": self.seed, "data": self.data, "generator": self.generator, "arms": arms,
                "edits": self.edits,
                "synthesis": self.synthesis, "filter": self.filter,
                "classifier": self.classifier.model_copy(update={"cycles": self.seeds}),
                "allow_random_weights": self.allow_random_weights,
            },
        )  # fmt: skip

    @property
    def good(self) -> str:
        """The label of good parts."""
        return self.classifier.good_label

    @property
    def instrument(self) -> tuple[str, str] | None:
        """(an arm, the same on all photographs): whether the test can tell is proven by these; None: it is not."""
        curve = self.learning_curve
        return (curve[0], curve[-1]) if curve else None

    @property
    def learning_curve(self) -> tuple[str, ...]:
        """Arms that differ in their number of photographs alone, from the few to the most; empty: there are no two."""
        few = [arm.name for arm in self.arms if type(arm) is ArmSettings and arm.trains_on == "real"]
        more = sorted((arm for arm in self.arms if isinstance(arm, MoreReal)), key=lambda arm: arm.per_kind or math.inf)
        return (few[0], *(arm.name for arm in more)) if few and more else ()

    @property
    def controls(self) -> frozenset[str]:
        """Arms on photographs as they come, few or more: they show what the test can tell, and contend for nothing."""
        own = (
            arm.name for arm in self.arms
            if arm.trains_on == "real" and not arm.classifier and not isinstance(arm, Memory)
        )  # fmt: skip
        return frozenset(own) - {self.reference}

    def primary_of(self, independent_defects: int) -> Primary:
        """The score that decides, known before anything is trained."""
        if self.primary != "auto":
            return self.primary
        return "macro-F1" if independent_defects >= FEW_DEFECTS else "PR-AUC"


def read_spec(path: Path) -> ExperimentSpec:
    """The experiment that a YAML file describes; its paths are relative to it.

    Raises:
        NotFound: no such file. InvalidInput: names every field that is wrong.
    """
    spec = validated(ExperimentSpec, read_pipeline_file(path, "spec file"))
    if not re.fullmatch(NAME, spec.name):
        right = "use 1 to 28 of a-z, 0-9, '_' and '-', starting with a letter or digit"
        raise InvalidInput(f"name {spec.name!r} is not an experiment's name: {right}", {"name": right})
    _ = spec.pipeline  # whose arms are checked against each other
    return spec
