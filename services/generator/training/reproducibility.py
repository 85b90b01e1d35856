"""What besides the seed decides the bits of a training: kept in its checkpoints, and compared where it goes on."""

from collections.abc import Mapping
from importlib.metadata import version

import structlog
import torch

from defectory.machine import processor
from services.generator.stylegan2 import gate

log = structlog.get_logger(__name__)


def computed_by(device: torch.device) -> dict[str, str]:
    """What computes here: the processor or GPU, threads, torch, and on a CPU whether compiled loops convolve."""
    if device.type != "cpu":
        return {"processor": torch.cuda.get_device_name(device), **_of_torch()}
    compiled = gate.available()
    versions = {name: version(name) for name in ("numba", "llvmlite")} if compiled else {}
    return {"processor": processor(), **_of_torch(), "compiled_loops": "used" if compiled else "not used", **versions}


def _of_torch() -> dict[str, str]:
    return {"threads": str(torch.get_num_threads()), "torch": torch.__version__}


def warn_of_change(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Say what is another than before; the training goes on, but not to the bit."""
    changed = {name: f"{before[name]} -> {now[name]}" for name in now if before.get(name, now[name]) != now[name]}
    if changed:
        log.warning("resumed by something else: the weights will not be the same to the bit", **changed)
