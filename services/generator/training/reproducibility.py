"""What besides the seed decides the bits of a training: kept in its checkpoints, and compared where it goes on."""

from collections.abc import Mapping

import structlog
import torch

from defectory.machine import processor

log = structlog.get_logger(__name__)


def computed_by(device: torch.device) -> dict[str, str]:
    """What computes here: the processor or GPU, threads, torch."""
    return {
        "processor": processor() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
    }


def warn_of_change(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Say what is another than before; the training goes on, but not to the bit."""
    changed = {name: f"{before[name]} -> {now[name]}" for name in now if before.get(name, now[name]) != now[name]}
    if changed:
        log.warning("resumed by something else: the weights will not be the same to the bit", **changed)
