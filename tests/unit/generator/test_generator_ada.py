"""The controller of augmentation."""

import pytest
import torch

from services.generator.training.ada import P_LIMIT, AugmentControl

SURE, UNSURE = torch.ones(8), torch.tensor([1.0, -1.0] * 4)


def observe(control: AugmentControl, logits: torch.Tensor, times: int) -> float:
    for _ in range(times):
        control.observe(logits.sign().sum(), len(logits))
    return control.p


def test_p_rises_while_d_is_too_sure_and_falls_while_it_is_not() -> None:
    control = AugmentControl("ada", 0.0, 0.6, images_to_one=320)
    assert observe(control, SURE, 3) == 0
    assert observe(control, SURE, 1) == pytest.approx(32 / 320)
    assert control.r_t == 1
    assert observe(control, SURE, 8) == pytest.approx(0.3)
    assert observe(control, UNSURE, 4) == pytest.approx(0.2)
    assert control.r_t == 0


def test_p_stays_within_zero_and_the_limit() -> None:
    control = AugmentControl("ada", 0.0, 0.6, images_to_one=64)
    assert observe(control, UNSURE, 8) == 0
    assert observe(control, SURE, 40) == P_LIMIT


def test_p_rests_when_the_target_is_met() -> None:
    control = AugmentControl("ada", 0.0, 0.5, images_to_one=64)
    assert observe(control, torch.tensor([1.0, 1.0, 1.0, -1.0]), 8) == 0
    assert control.r_t == 0.5


@pytest.mark.parametrize(("mode", "p"), [("fixed", 0.35), ("none", 0.0)])
def test_fixed_and_none_do_not_move(mode: str, p: float) -> None:
    control = AugmentControl(mode, 0.35, 0.6, images_to_one=64)  # type: ignore[arg-type]
    assert observe(control, SURE, 20) == p
    assert control.r_t == 1


def test_a_restored_controller_goes_on_in_the_middle_of_an_interval() -> None:
    whole, first = (AugmentControl("ada", 0.0, 0.6, images_to_one=1000) for _ in range(2))
    observe(first, SURE, 6)
    second = AugmentControl("ada", 0.0, 0.6, images_to_one=1000)
    second.restore(first.state())
    observe(second, UNSURE, 6)
    observe(whole, SURE, 6)
    observe(whole, UNSURE, 6)
    assert second.state() == whole.state()
