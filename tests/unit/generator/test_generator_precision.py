"""Half precision: which blocks compute in it, how near it comes to fp32, and that nothing overflows."""

import pytest
import torch

from defectory.errors import InvalidInput
from services.generator.stylegan2 import loss
from services.generator.stylegan2.networks import Architecture, build
from services.generator.stylegan2.precision import CLAMP, use_precision
from services.generator.training.device import choose
from services.generator.training.settings import resolve
from tests.unit.generator.test_generator_training import make

SHAPE = Architecture(resolution_px=32, channel_base=512, channel_max=32, z_dim=16, w_dim=16, conv_clamp=CLAMP)
NEAR = {"fp16": 0.01, "bf16": 0.06}  # of a standard deviation: 10 and 7 bits of mantissa through nine layers


def networks(precision: str, resolutions: int = 2):  # type: ignore[no-untyped-def]
    both = build(SHAPE, 0)
    for network in both:
        use_precision(network, precision, resolutions)  # type: ignore[arg-type]
    return both


@pytest.mark.parametrize("precision", NEAR)
def test_pictures_and_logits_are_near_those_of_fp32(precision: str) -> None:
    z = torch.randn(4, 16)
    (g, d), (half_g, half_d) = networks("fp32"), networks(precision)
    with torch.no_grad():
        images = g(z)
        half_images = half_g(z)
        assert half_images.dtype == torch.float32
        error = (half_images - images).square().mean().sqrt() / images.std()
        assert 0 < float(error) < NEAR[precision]
        logits, half = d(images), half_d(images)
        assert half.dtype == torch.float32
        assert float((half - logits).abs().max()) < 3 * NEAR[precision] * max(float(logits.std()), 0.3)


@pytest.mark.parametrize("precision", NEAR)
def test_only_the_highest_resolutions_are_halved(precision: str) -> None:
    seen: dict[str, torch.dtype] = {}
    g, d = networks(precision)
    for who, blocks in (("g", g.synthesis.blocks), ("d", d.blocks)):
        for name, block in blocks.items():
            block.conv1.register_forward_hook(lambda _, __, y, key=f"{who}.{name}": seen.update({key: y.dtype}))
    d(g(torch.randn(2, 16)))
    halved = {name for name, dtype in seen.items() if dtype != torch.float32}
    assert halved == {"g.b16", "g.b32", "d.b16", "d.b32"}


@pytest.mark.parametrize("precision", NEAR)
def test_gradients_of_every_phase_are_finite_and_near(precision: str) -> None:
    """Also the second derivatives of R1 and path length go through halved layers."""
    flat_gradients = []
    for kind in ("fp32", precision):
        g, d = networks(kind)
        z = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
        ws = g.mapping(z)[:, None].expand(-1, SHAPE.styles, -1)
        images = g.synthesis(ws)
        direction = torch.ones_like(images)
        real = torch.linspace(-1, 1, images.numel()).reshape(images.shape).requires_grad_()
        value = loss.generator_loss(d(images)) + loss.path_lengths(images, ws, direction).square().mean()
        value = value + loss.r1_penalty(real, d(real), 10.0)
        value.backward()
        gradients = [p.grad for p in (*g.parameters(), *d.parameters()) if p.grad is not None]
        assert all(bool(torch.isfinite(x).all()) for x in gradients)
        flat_gradients.append(torch.cat([x.flatten() for x in gradients]))
    assert float(torch.nn.functional.cosine_similarity(flat_gradients[0], flat_gradients[1], dim=0)) > 0.99


def test_activations_that_would_overflow_are_clamped() -> None:
    g, d = networks("fp16")
    with torch.no_grad():
        for name, parameter in (*g.named_parameters(), *d.named_parameters()):
            if "conv" in name and name.endswith("weight"):
                parameter.mul_(3000)  # far outside of what fp16 holds, were it summed as it is
            if name.endswith("noise_strength"):
                parameter.fill_(1e5)
        images = g(torch.randn(2, 16))
        assert bool(torch.isfinite(images).all())
        assert bool(torch.isfinite(d(images)).all())


@pytest.mark.parametrize("precision", NEAR)
def test_a_training_in_half_precision_stays_near_one_in_fp32(precision: str) -> None:
    losses = []
    for kind in ("fp32", precision):
        one = make(precision=kind, half_resolutions=2, conv_clamp=CLAMP)
        for _ in range(6):
            one.train_step()
        assert all(bool(torch.isfinite(value).all()) for value in one.state()[0].values())
        assert {p.dtype for p in one.generator.parameters()} == {torch.float32}
        losses.append(one.losses.read())
    assert losses[1] == pytest.approx(losses[0], rel=0.1, abs=0.05)


def test_fp16_brings_its_clamp() -> None:
    assert resolve({"precision": "fp16"}, size_px=64, channels=3).architecture.conv_clamp == 256
    assert resolve({"precision": "fp16", "conv_clamp": 64.0}, size_px=64, channels=3).architecture.conv_clamp == 64
    assert resolve({"precision": "bf16"}, size_px=64, channels=3).architecture.conv_clamp is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused_by_name() -> None:
    assert choose("auto") == choose("cpu") == torch.device("cpu")
    with pytest.raises(InvalidInput, match="no GPU") as refused:
        choose("cuda")
    assert "settings.device" in refused.value.fields
