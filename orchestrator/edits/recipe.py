"""What a recipe says: how often each edit is made, of which defects, and within which ranges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from defectory.errors import InvalidInput, NotFound
from defectory.job_settings.base import JobSettings
from defectory.validation import validated

EditName = Literal["copy", "repeat", "change", "remove", "swap", "recolour", "patch", "scar", "texture"]
OF_NO_DEFECT: tuple[EditName, ...] = ("patch", "scar", "texture")  # made out of good parts alone
Blend = Literal["matched", "seamless", "soft", "paste"]
Share = Annotated[float, Field(ge=0, le=1000)]
Factor = Annotated[float, Field(ge=0.1, le=10)]
Degrees = Annotated[float, Field(ge=-180, le=180)]


class EditRecipe(JobSettings):
    """Which edits are made of training pictures, and how."""

    shares: Mapping[EditName, Share] = Field(
        {"copy": 4, "repeat": 1},
        description="edit -> its share of all that are made (copy 4, repeat 1 where none is given). copy: a defect "
        "into a good part; repeat: once more into its own part, elsewhere; change: another size, pose and contrast "
        "where it is; remove: all defects of a part, which is labelled good then; swap: two regions of a good part "
        "change places; recolour: a region of a good part gets its neighbour's colour (regions are those of a mask of "
        "`kinds`). Out of good parts alone, where there is one label of defects: patch, a rectangle of the picture "
        "elsewhere in it; scar, a thin one, turned; texture, random blots of another good part, inverted or shifted",
    )
    kinds: tuple[str, ...] = Field((), description="kinds (or labels) of the defects that are used; empty: all")
    around: Literal["masks", "heat"] = Field(
        "masks", description="where a defect lies: its mask, or a classifier's heat where it has none (marked so)"
    )
    size: tuple[Factor, Factor] = Field(
        (1, 1), description="factors of a defect's size, 0.1 to 10: from, to; other than 1 its pixels are interpolated"
    )
    turn_degrees: tuple[Degrees, Degrees] = Field(
        (0, 0), description="how far a defect is turned, in degrees from -180 to 180: from, to; interpolated as well"
    )
    mirror: bool = Field(True, description="mirror every other defect")
    contrast: tuple[Factor, Factor] = Field(
        (0.8, 1.25), description="factors of a defect's contrast with its ground, 0.1 to 10: from, to"
    )
    largest: float = Field(
        0.05, gt=0, le=1, description="share of its picture that a defect covers at most; larger ones are not used"
    )
    blend: Blend = Field(
        "matched",
        description="how a defect joins its new ground: matched (level and exposure of the ground, soft edge), "
        "seamless (Poisson cloning), soft (as it is, soft edge), paste (as it is)",
    )

    @property
    def of_defects(self) -> bool:
        """Whether any edit needs a real defect."""
        return any(share for name, share in self.shares.items() if name not in OF_NO_DEFECT)

    @model_validator(mode="after")
    def _sensible(self) -> "EditRecipe":
        if not any(self.shares.values()):
            raise ValueError(f"no edit has a share; give one of {', '.join(get_args(EditName))} a number above 0")
        for name in ("size", "turn_degrees", "contrast"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} goes from {low:g} to {high:g}; put the smaller number first")
        return self


def read_recipe(path: Path) -> EditRecipe:
    """The recipe in a YAML file.

    Raises:
        NotFound: no such file. InvalidInput: not YAML, no mapping, or a value that is out of its range; names it.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"there is no recipe {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path} is not a recipe: {' '.join(str(error).split())}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise InvalidInput(f"{path} is not a recipe: it must hold a mapping, e.g. 'kinds: [scratch]'")
    return validated(EditRecipe, values)
