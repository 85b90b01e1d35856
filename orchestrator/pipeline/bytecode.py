"""Whether Python keeps what it compiles: without that, every process that imports a framework compiles it anew."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from defectory.machine import can_be_written

VARIABLE = "PYTHONDONTWRITEBYTECODE"
FRAMEWORKS = ("tensorflow", "keras", "torch")  # whose compilation takes a person's time


@dataclass(frozen=True)
class Bytecode:
    """Where a framework's compiled modules lie.

    Attributes:
        package: the first framework that was never compiled; the first one where all are.
        folder: of its compiled modules, whether it is there or not.
        is_kept: they are there.
        is_writable: a process without `VARIABLE` can write them there.
    """

    package: str
    folder: Path
    is_kept: bool
    is_writable: bool


def bytecode(packages: tuple[str, ...] = FRAMEWORKS) -> Bytecode | None:
    """Of the packages that are installed here; None where none is. Nothing of them is imported."""
    known = [one for one in map(_of_package, packages) if one]
    return next((one for one in known if not one.is_kept), known[0] if known else None)


def with_bytecode(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for services: without the variable where it would have each of them compile a framework anew.

    Where frameworks are compiled, or cannot be, what the user wants costs nothing, and is left as it is
    (docs/decisions/0068-bytecode-is-made-once.md).
    """
    compiled = bytecode()
    is_harmless = compiled is None or compiled.is_kept or not compiled.is_writable
    return {name: value for name, value in environ.items() if is_harmless or name != VARIABLE}


def _of_package(package: str) -> Bytecode | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    file = Path(importlib.util.cache_from_source(spec.origin))  # PYTHONPYCACHEPREFIX is in it
    return Bytecode(package, file.parent, file.is_file(), can_be_written(file.parent))
