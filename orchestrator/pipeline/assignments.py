"""Settings as they are typed on a command line: `generator.kimg=1`, a setting's path and its value as YAML has it."""

from collections.abc import Iterable

import yaml

from defectory.errors import InvalidInput
from orchestrator.pipeline.settings import merged


def assigned(texts: Iterable[str]) -> dict[str, object]:
    """The values of a pipeline that assignments say, section by section; a later one counts over an earlier one.

    Raises:
        InvalidInput: one is no assignment, or its value is not YAML.
    """
    values: dict[str, object] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        names = path.strip().split(".")
        if not equals or not all(names):
            right = "use PATH=VALUE, e.g. generator.kimg=1"
            raise InvalidInput(f"--set {text}: {right}", {"set": right})
        values = merged(values, _nested(names, _read(path.strip(), value)))
    return values


def _nested(names: list[str], value: object) -> dict[str, object]:
    return {names[0]: _nested(names[1:], value) if names[1:] else value}


def _read(path: str, value: str) -> object:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        why = f"its value is not YAML ({' '.join(str(error).split())})"
        raise InvalidInput(f"{path} {value!r}: {why}", {path: why}) from error
