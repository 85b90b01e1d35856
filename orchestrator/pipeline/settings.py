"""Settings of a pipeline: those of its jobs, and what the line itself adds to them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from defectory.errors import InvalidInput, NotFound
from defectory.job_settings.base import JobSettings, filled_in
from defectory.job_settings.classifier_training import ClassifierRecipe, Cycles
from defectory.job_settings.explaining import ExplainingMany
from defectory.job_settings.filtering import Filtering
from defectory.job_settings.generator_training import GeneratorTraining
from defectory.job_settings.rendering import NoisyRendering
from defectory.validation import validated
from orchestrator.edits.recipe import EditRecipe
from orchestrator.pipeline.arms import DEFAULT_ARMS, Arms
from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.pipeline.data_settings import DataSettings
from orchestrator.pipeline.edit_settings import EditSettings

RUN_NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"  # no ".": it parts the run from what it made (run.expanded)


class GeneratorSettings(GeneratorTraining):
    """How one StyleGAN2-ADA a label is trained."""

    resolution_px: int = filled_in(
        GeneratorTraining, "resolution_px", 64, "side of the square image in pixels, a power of two"
    )

    view: Literal["part", "defect"] = Field(
        "part",
        description="what is learned: part, the whole part; defect, crops around the masks of defects, which are then "
        "set into real good parts (a label without masks: the whole part)",
    )
    kinds: tuple[str, ...] = Field(
        (), description="with view defect, kinds (or labels) of the defects that are learned; empty: all with masks"
    )
    largest: float = filled_in(
        EditRecipe, "largest", 0.05, "with view defect, share of its picture that a defect covers at most to be learned"
    )
    labels: tuple[str, ...] = Field(
        (),
        description="labels that get a generator; empty: every label, with view defect all but classifier.good_label",
    )
    start_label: str = Field(
        "auto", description="trained first; the others start from its generator. auto: the most frequent; empty: none"
    )
    transfer_kimg: float | None = filled_in(
        GeneratorTraining, "kimg", None, "kimg of the labels that start from another's generator; absent: kimg"
    )
    initial_models: Mapping[str, str] = Field({}, description='label -> model to start from, "name" or "name/version"')
    initial_model: str | None = Field(
        None,
        description="model that a label starts from that nothing else is said of, or starter; empty: none; absent: "
        "starter, unless config or a width asks for another network",
    )

    @property
    def start(self) -> str:
        """The model that a label starts from that nothing else is said of; empty: none."""
        return self.recommended_start if self.initial_model is None else self.initial_model


class SynthesisSettings(NoisyRendering):
    """How many synthetic images, and how they are drawn."""

    quota: int = Field(500, ge=1, le=1_000_000, description="accepted images wanted a label")
    quotas: Mapping[str, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        {}, description="quota of single labels, in place of quota"
    )
    surplus: float = Field(1.25, ge=1, le=10, description="images of the first round, in multiples of the quota")
    max_rounds: int = Field(4, ge=1, le=50, description="rounds of synthesis and filtering before it is left at that")


class FilterSettings(Filtering):
    """Which synthetic images are kept."""

    judge_cycles: int = Field(
        3, ge=2, le=100, description="cycles of the judge, each of which leaves out another part of the real images"
    )


class ClassifierSettings(ClassifierRecipe, Cycles):
    """How a classifier is trained; what is absent is as its recipe says. An arm may have settings over these."""

    steps_per_epoch: int = filled_in(
        ClassifierRecipe,
        "steps_per_epoch",
        0,
        "steps an epoch, in every arm; 0: as many as show the largest training set once",
    )


class ExplainSettings(ExplainingMany):
    """How test images are explained."""


class PipelineSettings(JobSettings):
    """A pipeline file."""

    name: str = Field("", max_length=32, description="name of the run and of all that it makes; empty: the file's name")
    preset: Literal["", "paper", "quick", "demo"] = Field("", description="where the defaults come from")
    seed: int = Field(0, ge=0, le=2**62, description="seed of trainings and synthesis")
    allow_random_weights: bool = Field(
        False, description="go on from random weights where neither ImageNet's nor a starter of the width is found"
    )
    review: bool = Field(
        True, description="take people's decisions (defectory review) over the filter's in arms that train on reviewed"
    )
    data: DataSettings
    edits: EditSettings = EditSettings()
    generator: GeneratorSettings = GeneratorSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    filter: FilterSettings = FilterSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    arms: Arms = Field(
        DEFAULT_ARMS,
        description="what is trained, and compared with the first: names of arms, such as [baseline, augmented, "
        "expanded], or entries {name: …, trains_on: …}",
    )
    explain: ExplainSettings = ExplainSettings()
    costs: CostSettings | None = Field(
        None,
        description="what mistakes cost, {escape: …, overkill: …, defect_share: …}: the report then draws the cost of "
        "1,000 parts over the threshold; absent: it draws none, and nothing else depends on it",
    )

    @model_validator(mode="after")
    def _edited(self) -> "PipelineSettings":
        without = [arm.name for arm in self.arms if arm.takes_edited and arm.edits is None]
        without = without or (["the generators"] if self.edits.for_generators else [])
        if without and not self.edits.wanted:
            raise ValueError(f"{without[0]} trains on edited pictures, and there are none: set edits.count")
        if self.edits.for_generators and self.generator.view == "defect":
            raise ValueError(
                "crops of defects are cut out of photographs alone: leave edits.for_generators out, or set "
                "generator.view to part"
            )
        return self


def read_pipeline_file(path: Path, what: str = "pipeline file") -> dict[str, object]:
    """The mapping in a YAML file, with data.directory and data.groups made absolute against the file's folder.

    Args:
        what: it is to be, as errors say it.

    Raises:
        NotFound: no such file. InvalidInput: not YAML, or not a mapping.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"there is no {what} {path}") from error
    except UnicodeDecodeError as error:
        right = f"give a {what}, or, of photographs, their folder"
        raise InvalidInput(f"{path} is no text, so no {what}: {right}") from error
    except (OSError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path} is not a {what}: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{path} is not a {what}: it must hold a mapping, e.g. 'data: {{directory: photos}}'")
    values = absolute(values, path.parent)
    values.setdefault("name", run_name(path.stem))
    return values


def absolute(values: Mapping[str, object], folder: Path) -> dict[str, object]:
    """A pipeline's values in which data.directory and data.groups no longer depend on the folder that they meant."""
    data = values.get("data")
    if not isinstance(data, Mapping):
        return dict(values)
    paths = {
        key: str((folder / Path(data[key]).expanduser()).resolve())
        for key in ("directory", "groups")
        if isinstance(data.get(key), str)
    }
    return {**values, "data": {**data, **paths}}


def run_name(text: str) -> str:
    """A run name made from a file's or folder's name."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:32].strip("-_") or "run"


def resolve(values: Mapping[str, object], preset: Mapping[str, object]) -> PipelineSettings:
    """Settings from a preset's values and, over them, a pipeline's.

    A `kimg` of the pipeline also bounds the preset's `transfer_kimg`: who asks for short trainings means all of them.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    settings = validated(PipelineSettings, merged(preset, values))
    settings = settings.model_copy(update={"generator": _bounded(settings.generator, values.get("generator"))})
    if not re.fullmatch(RUN_NAME, settings.name):
        right = "use 1 to 32 of a-z, 0-9, '_' and '-', starting with a letter or digit"
        raise InvalidInput(f"name {settings.name!r} is not a run's name: {right}", {"name": right})
    return settings


def _bounded(generator: GeneratorSettings, own: object) -> GeneratorSettings:
    """A generator's settings whose inherited transfer_kimg is no longer than the kimg that was asked for."""
    if not isinstance(own, Mapping) or "transfer_kimg" in own or own.get("kimg") is None:
        return generator
    if generator.kimg is None or generator.transfer_kimg is None:
        return generator
    return generator.model_copy(update={"transfer_kimg": min(generator.kimg, generator.transfer_kimg)})


def merged(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    """Values with others over them, section by section."""
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
