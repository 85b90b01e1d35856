"""Pictures learned with the masks of their defects: what each network and image has of them, and what stays out."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from defectory.datasets.manifest import mask_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, MaskFile
from defectory.datasets.masks import read_mask
from defectory.errors import InvalidInput
from defectory.imaging import decode, encode_png
from defectory.storage import ObjectStore
from services.generator import bundle, starter
from services.generator.rendering import colours_of, defect_of, render
from services.generator.stylegan2.augment import augment
from services.generator.stylegan2.networks import Architecture, build
from services.generator.synthesis import SynthesisSettings, synthesize
from services.generator.training import data, transfer
from services.generator.training.snapshots import draw_sheet
from services.generator.training.trainer import Trainer
from tests.unit.generator.generator_samples import make_lines, small_settings, write_generator

SHAPE = {"resolution_px": 16, "channel_base": 256, "channel_max": 8, "z_dim": 8, "w_dim": 8}


def masked_lines(store: ObjectStore, channels: int) -> list[ManifestLine]:
    """Pictures of 16 px, whose left half is the defect; the last one has no mask."""
    lines = make_lines(store, "crops", [("hole", "train")] * 3, channels=channels)
    half = np.zeros((16, 16), np.uint8)
    half[:, :8] = 255
    png = encode_png(half)
    sha256 = hashlib.sha256(png).hexdigest()
    store.put(mask_key("crops", sha256), png)
    mask = MaskFile(uri=store.uri(mask_key("crops", sha256)), sha256=sha256)
    return [replace(line, mask=mask) for line in lines[:-1]] + lines[-1:]


@pytest.mark.parametrize(("channels", "learned"), [(1, 2), (3, 4)])
def test_masks_are_the_last_channel_and_those_without_are_empty(
    folder: ObjectStore, channels: int, learned: int
) -> None:
    lines = masked_lines(folder, channels)
    images = data.load(folder, lines, 16, with_mask=True).pixels
    assert images.shape == (3, learned, 16, 16)
    assert (images[:2, -1, :, :8] == 255).all()
    assert (images[:2, -1, :, 8:] == 0).all()
    assert (images[2, -1] == 0).all()
    assert torch.equal(images[:, :-1], data.load(folder, lines, 16).pixels)


def test_images_of_other_colours_come_with_their_masks(folder: ObjectStore) -> None:
    lines = masked_lines(folder, 1)
    shown = data.pixels(folder, lines, Architecture(channels=4, mask=True, **SHAPE))
    assert shown.shape == (3, 16, 16, 4)
    assert (shown[..., 0] == shown[..., 2]).all()
    assert (shown[0, :, :8, 3] == 255).all()
    assert (shown[2, ..., 3] == 0).all()


def test_masks_beside_alpha_are_refused(folder: ObjectStore) -> None:
    with pytest.raises(InvalidInput, match="alpha and masks"):
        data.load(folder, make_lines(folder, "clear", [("a", "train")], channels=4), 16, with_mask=True)


@pytest.mark.parametrize(("channels", "mask"), [(2, False), (3, True), (1, True)])
def test_channels_that_are_no_image_are_refused(channels: int, mask: bool) -> None:
    with pytest.raises(ValueError, match="no image's"):
        Architecture(channels=channels, mask=mask, **SHAPE)


@pytest.mark.parametrize("channels", [2, 4])
def test_colour_augmentations_leave_masks_and_geometric_ones_move_both_alike(channels: int) -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.rand((8, channels, 16, 16), generator=random) * 2 - 1
    recoloured = augment(images, 1.0, "color", torch.Generator().manual_seed(1))
    assert torch.equal(recoloured[:, -1], images[:, -1])
    assert not torch.allclose(recoloured[:, :-1], images[:, :-1])
    images[:, -1] = images[:, 0]
    moved = augment(images, 1.0, "bg", torch.Generator().manual_seed(2))
    torch.testing.assert_close(moved[:, -1], moved[:, 0])
    assert not torch.allclose(moved[:, 0], images[:, 0])


@pytest.mark.parametrize("channels", [2, 4])
def test_a_training_from_pictures_alone_starts_with_them_and_empty_masks(folder: ObjectStore, channels: int) -> None:
    """The discriminator judges as before, whatever the mask: it does not look at it yet."""
    generator, discriminator = build(Architecture(channels=3, **SHAPE), 3)
    chosen = small_settings(channels=channels, with_mask=True)
    trainer = Trainer(torch.zeros(4, channels, 16, 16, dtype=torch.uint8), chosen, 0)
    assert transfer.copy_matching(trainer.generator, generator.state_dict()) == []
    assert transfer.copy_matching(trainer.discriminator, discriminator.state_dict()) == []
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        before, after = generator(z, noise="const"), trainer.generator(z, noise="const")
        wanted = before if channels == 4 else before.mean(dim=1, keepdim=True)
        torch.testing.assert_close(after[:, :-1], wanted, atol=1e-5, rtol=1e-4)
        assert (after[:, -1] == -1).all()
        grey = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(6))
        shown = grey.expand(-1, channels - 1, -1, -1)
        for mask in (torch.ones_like(grey), -torch.ones_like(grey)):
            judged = trainer.discriminator(torch.cat([shown, mask], dim=1))
            torch.testing.assert_close(judged, discriminator(grey.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


def test_masks_are_taken_along_from_grey_to_colours() -> None:
    source, judge = build(Architecture(channels=2, mask=True, **SHAPE), 4)
    target, judging = build(Architecture(channels=4, mask=True, **SHAPE), 5)
    assert transfer.copy_matching(target, source.state_dict(), masked=True) == []
    assert transfer.copy_matching(judging, judge.state_dict(), masked=True) == []
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        small, large = source(z, noise="const"), target(z, noise="const")
        torch.testing.assert_close(large[:, -1], small[:, -1], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(large[:, 1], small[:, 0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(judging(large), judge(small), atol=1e-4, rtol=1e-4)


def test_alpha_is_not_taken_for_a_mask_of_the_same_shape() -> None:
    source, _ = build(Architecture(channels=4, **SHAPE), 4)
    target, _ = build(Architecture(channels=4, mask=True, **SHAPE), 5)
    assert transfer.copy_matching(target, source.state_dict()) == []
    with torch.no_grad():
        assert (target(torch.randn(2, 8), noise="const")[:, -1] == -1).all()


def test_the_starter_starts_a_training_with_masks(folder: ObjectStore) -> None:
    known = starter.read_card().architecture
    names = {"resolution_px", "channel_base", "channel_max", "z_dim", "w_dim", "mapping_layers"}
    chosen = small_settings(channels=2, with_mask=True, **known.model_dump(include=names))
    trainer = Trainer(torch.zeros(4, 2, *2 * [known.resolution_px], dtype=torch.uint8), chosen, 0)
    assert transfer.start_from(trainer, folder, "starter") == []


def test_synthetic_pictures_have_the_masks_that_were_made_with_them(folder: ObjectStore) -> None:
    write_generator(folder, channels=2, with_mask=True)
    network, card = bundle.load(folder, "tiny")
    uri = synthesize(folder, network, card, SynthesisSettings(3), "made", lambda done, total: None)
    drawn = render(network, range(3), truncation_psi=1.0, noise_mode="random")
    for line, image in zip(read_manifest(folder, uri), drawn, strict=True):
        picture = np.asarray(decode(folder.get(folder.key(line.file.uri))))
        np.testing.assert_array_equal(picture, image[..., 0])
        assert (line.mask is None) == (not (image[..., 1] > 127).any())
        if line.mask is not None:
            content = folder.get(folder.key(line.mask.uri))
            assert hashlib.sha256(content).hexdigest() == line.mask.sha256
            np.testing.assert_array_equal(np.asarray(read_mask(content, 16, 16)) > 0, image[..., 1] > 127)


def test_an_empty_mask_is_no_mask(folder: ObjectStore) -> None:
    assert not defect_of(np.full((8, 8, 2), 127, np.uint8)).any()
    assert defect_of(np.full((8, 8, 2), 128, np.uint8)).all()


def test_what_people_look_at_shows_pictures_and_sheets_their_masks_below() -> None:
    network, _ = build(Architecture(channels=2, mask=True, **SHAPE), 3)
    images = render(network, range(32), truncation_psi=1.0, noise_mode="const")
    assert colours_of(images, network.architecture).shape == (32, 16, 16, 1)
    sheet = draw_sheet(network)
    assert sheet.shape == (4 * 32, 8 * 16, 1)
    np.testing.assert_array_equal(sheet[:16, :16, 0], images[0, ..., 0])
    np.testing.assert_array_equal(sheet[16:32, :16, 0], images[0, ..., 1])


def test_a_training_with_masks_learns_writes_and_is_gone_on_from(folder: ObjectStore) -> None:
    lines = masked_lines(folder, 1)
    uri = write_dataset(folder, "crops", lines, {})
    images = data.load(folder, read_manifest(folder, uri), 16, with_mask=True).pixels
    chosen = small_settings(channels=2, with_mask=True)
    assert chosen.architecture.mask

    def losses(count: int) -> list[float]:
        trainer = Trainer(images, chosen, 0)
        return [float(trainer.train_step()["loss_d"]) for _ in range(count)]

    assert losses(3) == losses(3)
    assert np.isfinite(losses(3)).all()
