"""One model of several labels: what it learns from, how it starts, and which class a picture is of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.rendering import render
from services.generator.stylegan2.networks import build
from services.generator.synthesis import SynthesisSettings, synthesize
from services.generator.training import class_transfer, data, transfer
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.transfer import copy_matching
from tests.unit.generator.generator_samples import make_lines, small_settings, write_generator
from tests.unit.generator.test_generator_training import make

SPLITS = [("bent", "train"), ("cut", "train"), ("bent", "train"), ("good", "train"), ("cut", "test")]


def test_lines_of_several_labels_come_with_their_classes(folder: ObjectStore) -> None:
    lines = make_lines(folder, "d", SPLITS)
    selected, classes = data.select_classes(lines, ["cut", "bent"])
    assert selected == [lines[1], lines[0], lines[2]]
    assert classes == [0, 1, 1]


@pytest.mark.parametrize("labels", [["cut"], ["cut", "cut"], ["cut", "dirt"]])
def test_one_label_or_a_label_without_images_is_refused(folder: ObjectStore, labels: list[str]) -> None:
    with pytest.raises(InvalidInput):
        data.select_classes(make_lines(folder, "d", SPLITS), labels)


def test_an_image_of_any_class_that_is_tested_on_is_refused(folder: ObjectStore) -> None:
    lines = make_lines(folder, "d", SPLITS)
    lines[0] = replace(lines[0], file=replace(lines[0].file, sha256=lines[4].file.sha256))
    with pytest.raises(InvalidInput, match="also tested on"):
        data.select_classes(lines, ["cut", "bent"])


def test_generated_classes_come_as_often_as_among_real_images() -> None:
    one = make(classes=2)  # five images: 0 1 0 1 0
    drawn = one._phases._latents(4000, torch.Generator().manual_seed(0)).classes
    assert drawn is not None
    assert float((drawn == 0).float().mean()) == pytest.approx(3 / 5, abs=0.03)


def test_both_networks_start_as_the_unconditional_ones_and_can_learn_classes() -> None:
    plain_g, plain_d = build(small_settings().architecture, 0)
    with torch.no_grad():
        for parameter in (*plain_g.parameters(), *plain_d.parameters()):
            parameter.add_(0.1 * torch.randn_like(parameter))
    generator, discriminator = build(small_settings(classes=3).architecture, 1)
    left = copy_matching(generator, plain_g.state_dict())
    assert set(left) == set(class_transfer.start_generator(generator, plain_g.state_dict()))
    left = copy_matching(discriminator, plain_d.state_dict())
    assert set(left) == set(class_transfer.start_discriminator(discriminator, plain_d.state_dict()))
    z, label = torch.randn(6, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    images = plain_g(z)
    torch.testing.assert_close(generator(z, label), images, atol=1e-5, rtol=1e-4)
    logits = discriminator(images, label)
    torch.testing.assert_close(logits, plain_d(images), atol=1e-4, rtol=1e-4)

    optimiser = torch.optim.Adam(discriminator.parameters(), lr=0.002, betas=(0.0, 0.99))
    for _ in range(5):  # a few steps against the class: logits of the same picture come apart
        optimiser.zero_grad()
        (discriminator(images.detach(), label) * (label - 1)).sum().backward()
        optimiser.step()
    same = images[:1].detach().expand(3, -1, -1, -1)
    first, _, last = discriminator(same, torch.tensor([0, 1, 2])).tolist()
    assert first > last + 0.01


def test_what_already_has_classes_is_left_as_it_was_copied() -> None:
    source, _ = build(small_settings(classes=3).architecture, 0)
    target, _ = build(small_settings(classes=3).architecture, 1)
    assert copy_matching(target, source.state_dict()) == []
    assert class_transfer.start_generator(target, source.state_dict()) == []


def test_classes_are_taken_over_by_name_and_new_ones_start_from_the_mean(
    folder: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_generator(folder, classes=("bent", "cut", "dirt"))
    source = bundle.load(folder, card.full_name)[0]
    judge = build(card.architecture, 3)[1]
    weights = {f"d/{name}": value for name, value in judge.state_dict().items()}
    Checkpoints(folder, card.prefix, {}).save(0, weights, {})
    z, images = torch.randn(4, 8), torch.randn(4, 3, 16, 16)

    def of_class(network: Any, x: torch.Tensor, index: int) -> torch.Tensor:
        with torch.no_grad():
            output: torch.Tensor = network(x, torch.full((4,), index))
        return output

    for labels in (["dirt", "bent", "cut"], ["scratch", "cut", "dirt"], ["cut", "scratch"]):  # as many, and fewer
        trainer = make(classes=len(labels))
        assert transfer.start_from(trainer, folder, card.full_name, labels) == []
        for index, label in enumerate(labels):
            if label in card.classes:
                known = card.classes.index(label)
                torch.testing.assert_close(of_class(trainer.average, z, index), of_class(source, z, known))
                wanted = of_class(judge, images, known)
                torch.testing.assert_close(of_class(trainer.discriminator, images, index), wanted, atol=1e-4, rtol=1e-4)
            else:
                mapping, theirs = trainer.generator.mapping, source.mapping
                assert mapping.embedding is not None
                assert theirs.embedding is not None
                mean = theirs.embedding(torch.eye(3)).mean(dim=0)
                torch.testing.assert_close(mapping.embedding(torch.eye(len(labels)))[index], mean)
    captured = capsys.readouterr()
    assert "dropped=['bent', 'dirt']" in captured.out + captured.err
    assert "new_from_the_mean=['scratch']" in captured.out + captured.err


def test_a_picture_is_of_the_class_that_its_line_names(folder: ObjectStore) -> None:
    card = write_generator(folder, classes=("bent", "cut", "dirt"))
    generator, card = bundle.load(folder, card.full_name)
    with torch.no_grad():
        generator.mapping.layers[0].weight[:, 8:] *= 100  # classes of an untrained network hardly differ
    mixed = render(generator, range(6), truncation_psi=1.0, noise_mode="const")
    for index in range(3):
        alone = render(generator, range(6), truncation_psi=1.0, noise_mode="const", label=index)
        assert [np.array_equal(mixed[s], alone[s]) for s in range(6)] == [s % 3 == index for s in range(6)]

    def ignore(done: int, total: int) -> None:
        """Nobody listens."""

    for label, expected in (("", ["bent", "cut", "dirt", "bent"]), ("cut", ["cut"] * 4)):
        chosen = SynthesisSettings(count=4, label=label)
        lines = read_manifest(folder, synthesize(folder, generator, card, chosen, f"made-{label or 'all'}", ignore))
        assert [line.label for line in lines] == expected


def test_an_unknown_class_is_refused_and_the_known_are_named(folder: ObjectStore) -> None:
    with pytest.raises(InvalidInput, match="bent, cut") as refused:
        write_generator(folder, classes=("bent", "cut")).class_index("scratch")
    assert "class_label" in refused.value.fields
    with pytest.raises(InvalidInput, match="defect"):
        write_generator(folder, "plain").class_index("bent")
    assert write_generator(folder, "other").class_index("defect") is None


def test_classes_without_names_are_called_by_number(folder: ObjectStore) -> None:
    named = write_generator(folder, classes=("bent", "cut"))
    imported = named.model_copy(update={"classes": (), "label": "cifar", "training_images": 0})
    assert [imported.class_index(label) for label in ("0", "1", "")] == [0, 1, None]
    with pytest.raises(InvalidInput, match="use one of 0, 1"):
        imported.class_index("2")
    assert [imported.label_of(label, 5) for label in ("1", "")] == ["cifar", "cifar"]
    assert [named.label_of(label, 5) for label in ("bent", "")] == ["bent", "cut"]
