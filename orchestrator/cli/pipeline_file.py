"""A pipeline file to start from: every setting with the value that would run, its sentence and range in a comment."""

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel

from defectory.errors import InvalidInput
from orchestrator.cli.described import Described, described
from orchestrator.pipeline.settings import PipelineSettings

WIDTH = 118  # of a line, in characters


def write_pipeline_file(settings: PipelineSettings, path: Path) -> None:
    """Write settings as a file that runs to the same plan; a folder of photographs below it is named relative to it.

    Raises:
        InvalidInput: something lies there already, or it cannot be written.
    """
    text = pipeline_text(settings, path.absolute().parent)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        right = "give the name of a file that is not there yet"
        raise InvalidInput(
            f"{path} is there already, and may hold changes of yours: {right}", {"write": right}
        ) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}", {"write": str(error.strerror)}) from error


def pipeline_text(settings: PipelineSettings, folder: Path) -> str:
    """The file's text.

    Args:
        folder: where it will lie.
    """
    values = settings.model_dump(mode="json")
    for name in ("directory", "groups"):
        if values["data"][name]:
            values["data"][name] = _from_folder(Path(values["data"][name]), folder)
    lines = ["# A pipeline file: docs/pipeline.md says more of it.", "", *_entries(settings, values)]
    for name in PipelineSettings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, BaseModel):
            title = (type(section).__doc__ or "").splitlines()[0]
            lines += ["", f"# {title}", f"{name}:", *(f"  {line}" for line in _entries(section, values[name]))]
    return "\n".join(lines) + "\n"


def _entries(model: BaseModel, values: dict[str, object]) -> Iterator[str]:
    """A model's own settings, not those of its sections, each below what it is."""
    for name, setting in described(type(model)).items():
        if isinstance(getattr(model, name), BaseModel):
            continue  # a section that may be absent, and is not
        yield from textwrap.wrap(_comment(setting), WIDTH - 2, initial_indent="# ", subsequent_indent="#   ")
        entry = yaml.safe_dump({name: values[name]}, sort_keys=False, allow_unicode=True, width=WIDTH - 2)
        yield from entry.splitlines()


def _comment(setting: Described) -> str:
    """The sentence of a setting, and its range or choices in brackets."""
    allowed = setting.range or ", ".join(setting.choices)
    return setting.sentence + (f"  [{allowed}]" if allowed else "")


def _from_folder(path: Path, folder: Path) -> str:
    """A path as it is named from a folder that it lies in, else whole."""
    full, base = path.absolute(), folder.absolute()
    return os.path.relpath(full, base) if full.is_relative_to(base) else str(full)
