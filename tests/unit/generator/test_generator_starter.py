"""Starting from the shipped starter generator, and from models of other sizes and colours."""

import numpy as np
import pytest
import torch

from defectory.errors import Corrupted, InvalidInput
from defectory.storage import open_store
from services.generator import starter
from services.generator.starter.drawing import draw
from services.generator.starter.make import SHIPPED_KIMG
from services.generator.stylegan2.networks import Architecture, build
from services.generator.training import settings, transfer
from services.generator.training.trainer import Trainer

SMALL = {"channel_base": 256, "channel_max": 8, "z_dim": 8, "w_dim": 8}


def test_the_shipped_files_fit_each_other_and_are_small() -> None:
    generator, discriminator = build(starter.read_card().architecture, 0)
    expected = {f"g/{k}": v.shape for k, v in generator.state_dict().items()}
    expected |= {f"d/{k}": v.shape for k, v in discriminator.state_dict().items()}
    tensors = starter.read_tensors()
    assert {name: value.shape for name, value in tensors.items()} == expected
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert sum(value.numel() * 2 for value in tensors.values()) <= 8 * 2**20


def test_the_command_that_makes_the_starter_trains_as_long_as_the_shipped_one() -> None:
    assert starter.read_card().kimg == SHIPPED_KIMG


def test_a_training_on_grey_pictures_starts_with_all_of_the_starter() -> None:
    chosen = settings.resolve({}, size_px=64, channels=1, initial=starter.read_card().architecture)
    trainer = Trainer(torch.zeros(2, 1, 64, 64, dtype=torch.uint8), chosen, 0)
    assert transfer.start_from(trainer, open_store("memory://"), "starter") == []
    z = torch.randn(2, chosen.architecture.z_dim)
    with torch.no_grad():
        assert trainer.average(z).std() > 0.1  # pictures, not the grey of an untrained network


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
def test_colours_change_and_the_pictures_stay(before: int, after: int) -> None:
    old, new = (build(Architecture(resolution_px=16, channels=c, **SMALL), c) for c in (before, after))
    for source, target in zip(old, new, strict=True):
        assert transfer.copy_matching(target, source.state_dict()) == []
    z = torch.randn(3, 8)
    with torch.no_grad():
        torch.testing.assert_close(new[0](z).mean(dim=1), old[0](z).mean(dim=1), atol=1e-5, rtol=1e-5)
        grey = torch.randn(4, 1, 16, 16)
        logits = [d(grey.expand(-1, d.architecture.channels, -1, -1)) for d in (old[1], new[1])]
    torch.testing.assert_close(logits[0], logits[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("before", [1, 3])
def test_alpha_that_is_new_is_opaque_and_changes_nothing_else(before: int) -> None:
    old = build(Architecture(resolution_px=16, channels=before, **SMALL), 0)
    new = build(Architecture(resolution_px=16, channels=4, **SMALL), 1)
    back = build(Architecture(resolution_px=16, channels=before, **SMALL), 2)
    for source, target, again in zip(old, new, back, strict=True):
        assert transfer.copy_matching(target, source.state_dict()) == []
        assert transfer.copy_matching(again, target.state_dict()) == []
    z = torch.randn(3, 8)
    with torch.no_grad():
        pictures, four = old[0](z), new[0](z)
        torch.testing.assert_close(four[:, 3], torch.ones(3, 16, 16), atol=1e-5, rtol=0)
        torch.testing.assert_close(four[:, :3], pictures.expand(-1, 3, -1, -1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(new[1](four), old[1](pictures), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(back[0](z), pictures, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(back[1](pictures), old[1](pictures), atol=1e-4, rtol=1e-4)


def test_layers_that_were_not_copied_are_not_frozen() -> None:
    store = open_store("memory://")

    def start(resolution_px: int) -> None:
        given = {"resolution_px": resolution_px, "freeze_d": 1}
        chosen = settings.resolve(given, size_px=64, channels=3, initial=starter.read_card().architecture)
        pixels = torch.zeros(2, 3, resolution_px, resolution_px, dtype=torch.uint8)
        transfer.start_from(Trainer(pixels, chosen, 0), store, "starter")

    start(64)
    with pytest.raises(InvalidInput, match=r"no discriminator's from_image, blocks\.b128\.\w+.*0, or fewer") as refused:
        start(128)
    assert "settings.freeze_d" in refused.value.fields


def test_a_higher_resolution_keeps_the_lower_blocks() -> None:
    low, high = (build(Architecture(resolution_px=r, **SMALL), r)[0] for r in (16, 32))
    left = transfer.copy_matching(high, low.state_dict())
    assert left
    assert all(".b32." in name for name in left)


def test_changed_weights_are_refused(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    architecture = Architecture(resolution_px=16, **SMALL)
    starter.write(tmp_path, {"g/x": torch.ones(3)}, architecture, 1.0, 5)
    monkeypatch.setattr(starter, "files", lambda _: tmp_path)
    assert starter.read_tensors()["g/x"].tolist() == [1, 1, 1]
    (tmp_path / starter.WEIGHTS).write_bytes((tmp_path / starter.WEIGHTS).read_bytes()[:-1] + b"x")
    with pytest.raises(Corrupted, match="SHA-256"):
        starter.read_tensors()


def test_a_drawing_depends_on_its_seed_only() -> None:
    assert draw(3).shape == (64, 64, 3)
    assert np.array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))
