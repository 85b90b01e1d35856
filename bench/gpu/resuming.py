"""Whether a training that was stopped goes on to the same bytes, with the device's deterministic algorithms."""

import warnings

import torch

from bench.gpu.works import FP32, Work

STEPS = 4  # before the stop, and after it
COLUMNS = ("what", "value")


def compare(work: Work, device: str) -> tuple[list[list[str]], bool]:
    """The table's rows, and whether the bytes are the same; algorithms that are not deterministic are named."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            whole, halves = _whole(work, device), _halves(work, device)
        finally:
            torch.use_deterministic_algorithms(False)
    different = {name: float((whole[name].double() - halves[name].double()).abs().max()) for name in whole}
    largest = max(different.values())
    lacking = sorted({str(one.message).partition(" ")[0] for one in said if "deterministic" in str(one.message)})
    rows = [
        ["steps before and after the stop", f"{STEPS} + {STEPS}"],
        ["tensors with the same bytes", f"{sum(not off for off in different.values())} of {len(different)}"],
        ["largest difference", f"{largest:.1e}"],
        ["operations without a deterministic algorithm", ", ".join(lacking) or "none"],
    ]
    return rows, largest == 0


def _whole(work: Work, device: str) -> dict[str, torch.Tensor]:
    trainer = work.trainer(FP32, device)
    _same_algorithms()
    for _ in range(2 * STEPS):
        trainer.train_step()
    return trainer.state()[0]


def _halves(work: Work, device: str) -> dict[str, torch.Tensor]:
    trainer = work.trainer(FP32, device)
    _same_algorithms()
    for _ in range(STEPS):
        trainer.train_step()
    state = trainer.state()
    trainer = work.trainer(FP32, device)
    _same_algorithms()
    trainer.restore(*state)
    for _ in range(STEPS):
        trainer.train_step()
    return trainer.state()[0]


def _same_algorithms() -> None:
    """A training lets cuDNN search for the fastest; what a search finds is not the same every time."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
