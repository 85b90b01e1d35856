"""A manifest's line: one picture in parts, each of which answers one question."""

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter
from pydantic.dataclasses import dataclass

from defectory.depth import FULL_DEPTH
from defectory.job_settings.choices import SplitName

Split = Literal[SplitName, "none"]
OriginKind = Literal["real", "edited", "synthetic"]
Verdict = Literal["", "accepted", "rejected"]

FORMAT: Literal[3] = 3  # of the lines that are written: in parts

# Dataclasses with slots in place of models: lines take 40 to 60% of the memory. Values that pydantic keeps for later
# lines would keep the memory of all that was read beside them.
_CONFIG = ConfigDict(extra="forbid", cache_strings="keys")


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class PictureFile:
    """The stored file, and how its dataset reads it."""

    uri: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    width: int = Field(ge=1)  # px, upright
    height: int = Field(ge=1)  # px, upright
    colour: Literal["", "L", "RGB", "RGBA"] = ""  # that its dataset's images have; empty: those that the file has
    bits: int = Field(default=FULL_DEPTH, ge=8, le=FULL_DEPTH)  # that the values of its dataset's 16-bit files use
    fit: Literal["", "stretch", "crop", "pad"] = ""  # how it becomes square, or became it; empty: unknown


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class MaskFile:
    """The stored mask of a defect: an image as large as the picture, white where the defect is."""

    uri: str
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")  # empty: not known


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Edit:
    """How a picture was edited: by a recipe, or by a person."""

    recipe: Mapping[str, JsonValue] | None = None  # as it was drawn: with the picture's parents it is made again
    editor: str = ""  # program that it was edited with by hand
    person: str = ""  # who did it


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Origin:
    """What the picture was made from."""

    kind: OriginKind = "real"
    parents: tuple[str, ...] = ()  # sha256 of the images this one was made from
    source: str = ""  # path it was ingested from, relative to the ingested folder
    tile: tuple[int, int, int] | None = None  # left, top and side of the square of `source` that it shows, upright, px
    edit: Edit | None = None  # none: it was not edited
    augmentation: str = ""  # how a copy for test-set growth was made; such copies are never counted as independent
    square_px: int | None = Field(default=None, ge=1)  # side of the square that 0.1.0 made of it; none: it is whole
    stretched_from: tuple[int, int] | None = None  # (width, height) in px before 0.1.0 stretched it


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Synthesis:
    """How a network made the picture: enough to make it again."""

    generator: str = ""  # "name/version"
    seed: int | None = None
    truncation_psi: float | None = None
    truncation_cutoff: int | None = Field(default=None, ge=0)  # styles that psi is for, the coarsest; none: all
    noise_mode: str = ""
    resolution_px: int | None = Field(default=None, ge=1)  # side of what the generator makes; none: the picture's own
    precision: Literal["", "bf16", "fp16"] = ""  # arithmetic of its highest resolutions; empty: fp32 throughout
    half_resolutions: int = Field(default=0, ge=0)  # how many of them


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Judgement:
    """What a filter or a person found of it; empty where nobody looked."""

    scores: Mapping[str, float] | None = None  # label -> the judge's mean probability
    spread: float | None = None  # sd of the intended label's probability over the judge's cycles
    nearest_real: str = ""  # sha256 of the nearest real training image
    nearest_real_distance: float | None = None  # 1 - correlation of their fine structure, in [0, 2]
    feature_distance: float | None = None  # cosine distance to the nearest real training image of its label, in [0, 2]
    duplicate_of: str = ""  # sha256 of the synthetic image that it repeats
    verdict: Verdict = ""
    reasons: tuple[str, ...] = ()
    reviewer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class ManifestLine:
    """One picture: where it is, what it shows, where it comes from. Anything synthetic can be made again from it."""

    file: PictureFile
    label: str = Field(min_length=1)
    split: Split = "none"
    group: str = ""  # images of one group show the same part and stay in one split
    kind: str = ""  # kind of defect, where the label is only good / defect
    kinds: tuple[str, ...] = ()  # every kind of defect that was named for it, the first above, where there are several
    mask: MaskFile | None = None
    origin: Origin = Origin()
    synthesis: Synthesis | None = None  # none: no network made it
    judgement: Judgement = Judgement()
    format: Literal[3] = FORMAT

    @property
    def is_real(self) -> bool:
        """Whether it counts as real: a photograph, edited or not, and nothing that a network made."""
        return self.origin.kind != "synthetic"

    @property
    def is_photograph(self) -> bool:
        """Whether nobody, and no network, has put into the picture or taken from it what it shows."""
        return self.origin.kind == "real"

    @property
    def part(self) -> str:
        """What the images of one part have in common: their group; an image in none is a part by itself."""
        return self.group or self.file.sha256

    @property
    def network_px(self) -> int | None:
        """Side of the square of which it holds no finer detail: made by a generator, or for one. None: a photograph."""
        if self.is_real or self.origin.edit:  # a photograph: only the defect that was set into it was made
            return self.origin.square_px
        made_px = self.synthesis.resolution_px if self.synthesis else None
        return made_px or min(self.file.width, self.file.height)

    @property
    def upright_px(self) -> tuple[int, int]:
        """(width, height) of the photograph, before anything was stretched."""
        return self.origin.stretched_from or (self.file.width, self.file.height)


MANIFEST_LINE = TypeAdapter(ManifestLine)  # reads and writes lines
