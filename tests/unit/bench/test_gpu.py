"""The script that measures a GPU: what it computes of its own, and that its checks can pass and fail."""

import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.gpu import numerics, resuming
from bench.gpu.__main__ import Run
from bench.gpu.tracing import covered
from bench.gpu.works import FP32, SMALL_EXACT, Work
from services.generator.stylegan2 import loss
from services.generator.training.trainer import Trainer


def test_overlapping_intervals_are_counted_once() -> None:
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4


def test_single_precision_lies_near_double() -> None:
    rows, right = numerics.compare(SMALL_EXACT, "cpu")
    assert right
    assert [row[0] for row in rows] == list(numerics.AT_MOST)


def test_a_wrong_second_derivative_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(real: Tensor, logits: Tensor, gamma: float) -> Tensor:
        return penalty(real, logits, gamma) * (1.0 if logits.dtype == torch.float64 else 1.01)

    penalty = loss.r1_penalty
    monkeypatch.setattr(loss, "r1_penalty", wrong)
    rows, right = numerics.compare(SMALL_EXACT, "cpu")
    assert not right
    assert [row[0] for row in rows if row[-1] == "NO"] == ["gradients of R1, second derivatives"]


def test_a_training_goes_on_to_the_same_bytes() -> None:
    rows, right = resuming.compare(SMALL_EXACT, "cpu")
    assert right
    assert rows[2][1] == "0.0e+00"


def test_a_training_that_does_not_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(trainer: Trainer, tensors: dict[str, Tensor], scalars: dict[str, object]) -> None:
        restore(trainer, tensors, {**scalars, "images_seen": 0})

    restore = Trainer.restore
    monkeypatch.setattr(Trainer, "restore", forgetful)
    assert not resuming.compare(SMALL_EXACT, "cpu")[1]


def test_a_row_is_written_as_soon_as_it_is_measured_and_none_is_begun_too_late(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n")

    def rows():  # type: ignore[no-untyped-def]
        yield ["64²", "8.0"]
        assert "| 64² | 8.0 |" in page.read_text()
        run._until = time.monotonic()
        yield ["128²", "2.0"]
        raise AssertionError("begun after the time was over")

    run = Run("cpu", page, time.monotonic() + 60)
    run.table("Speed", ("training", "images/s"), rows())
    assert "| 128² | 2.0 |" in page.read_text()
    assert "further rows were not measured" in page.read_text()


def test_a_step_of_a_work_is_that_of_its_batch() -> None:
    trainer = Work(16, 512, 4).trainer(FP32, "cpu")
    trainer.train_step()
    assert trainer.images_seen == 4
