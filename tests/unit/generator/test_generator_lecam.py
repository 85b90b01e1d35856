"""LeCam regularisation against NumPy and finite differences; where it acts, and what it is without."""

import numpy as np
import pytest
import torch

from services.generator.training.lecam import lecam_penalty, moved
from tests.unit.generator.test_generator_training import make

REAL, FAKE = np.array([2.5, -0.5, 1.0, 3.0]), np.array([-1.5, 0.25, -3.0, 0.75])


def test_the_penalty_is_the_papers() -> None:
    """R_LC = E[(D(x) - alpha_F)^2] + E[(D(G(z)) - alpha_R)^2]."""
    alpha_real, alpha_fake = 1.25, -0.75
    expected = np.mean((REAL - alpha_fake) ** 2) + np.mean((FAKE - alpha_real) ** 2)
    anchors = torch.tensor([alpha_real, alpha_fake], dtype=torch.float64)
    assert float(lecam_penalty(torch.from_numpy(REAL), torch.from_numpy(FAKE), anchors)) == pytest.approx(expected)


def test_its_gradient_is_that_of_finite_differences() -> None:
    anchors = torch.tensor([1.25, -0.75], dtype=torch.float64)
    logits = [torch.from_numpy(x.copy()).requires_grad_() for x in (REAL, FAKE)]
    assert torch.autograd.gradcheck(lambda real, fake: lecam_penalty(real, fake, anchors), logits)
    lecam_penalty(*logits, anchors).backward()
    np.testing.assert_allclose(logits[0].grad, 2 * (REAL + 0.75) / 4)
    np.testing.assert_allclose(logits[1].grad, 2 * (FAKE - 1.25) / 4)


def test_the_running_means_forget_a_hundredth_a_batch() -> None:
    anchors, expected = torch.tensor([0.0, 0.0]), np.zeros(2)
    for batch in ([4.0, -2.0], [6.0, -1.0], [5.0, 0.0]):
        anchors = moved(anchors, torch.tensor(batch))
        expected = 0.99 * expected + 0.01 * np.array(batch)
    np.testing.assert_allclose(anchors, expected, rtol=1e-5)


def test_a_training_keeps_the_running_means_of_its_own_logits() -> None:
    one = make(lecam_weight=0.3)
    logits, forward = [], one.discriminator.forward

    def listening(*args: object, **given: object) -> torch.Tensor:
        logits.append(forward(*args, **given))  # type: ignore[arg-type]
        return logits[-1]

    one.discriminator.forward = listening  # type: ignore[method-assign]
    expected = np.zeros(2)
    for _ in range(3):
        logits.clear()
        one.train_step()
        (together,) = [x.detach().numpy() for x in logits if len(x) == 2 * one.settings.batch]
        expected = 0.99 * expected + 0.01 * together.reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(one.anchors, expected, rtol=1e-4)


def test_it_holds_the_answers_to_real_and_to_generated_images_together() -> None:
    apart = []
    for weight in (0.0, 3.0):
        one = make(lecam_weight=weight, learning_rate=0.003, augment_mode="none", augment_target=None)
        for _ in range(60):
            one.train_step()
        with torch.no_grad():
            real = one._real.batch(0, 4).images(one.device)
            generated = one.generator(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))
            apart.append(float((one.discriminator(real).mean() - one.discriminator(generated).mean()).abs()))
    assert apart[1] < apart[0] / 2


def test_without_it_a_checkpoint_is_as_before() -> None:
    assert "anchors" not in make().state()[0]
    assert "anchors" in make(lecam_weight=0.1).state()[0]
