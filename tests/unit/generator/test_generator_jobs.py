"""Jobs that make pictures make them on the best device, whichever that is here."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.errors import InvalidInput
from defectory.imaging import encode_png
from defectory.serving.operations.context import StoredJobContext
from defectory.storage import ObjectStore
from services.generator import bundle, jobs
from services.generator.jobs import projection
from services.generator.rendering import render
from services.generator.stylegan2.networks import Generator, build
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.device import Device, on_best_device
from tests.unit.generator.generator_samples import small_settings, write_generator


@pytest.mark.parametrize(
    ("module", "job", "request_"),
    [
        ("pictures", jobs.interpolate, pb.InterpolateRequest(model="tiny", seeds=[0, 1], frames=3)),
        ("pictures", jobs.mix_styles, pb.MixStylesRequest(model="tiny", rows=[0], columns=[1], styles=[0])),
        ("projection", jobs.project_image, pb.ProjectImageRequest(model="tiny", steps=10, compared=1)),
    ],
    ids=["film", "grid", "projection"],
)
def test_pictures_are_made_on_the_best_device(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch, module: str, job: Callable[..., Any], request_: Any
) -> None:
    card = write_generator(folder)
    discriminator = {f"d/{name}": x for name, x in build(card.architecture, 0)[1].state_dict().items()}
    Checkpoints(folder, card.prefix, {}).save(0, discriminator, {})
    if module == "projection":
        picture = render(bundle.load(folder, "tiny")[0], [1], truncation_psi=1.0, noise_mode="const")[0]
        folder.put("imports/target.png", encode_png(picture))
        request_.image_uri = folder.uri("imports/target.png")
    placed: list[Generator] = []

    def spy(generator: Generator, wanted: Device) -> Generator:
        placed.append(on_best_device(generator, wanted))
        return placed[-1]

    monkeypatch.setattr(f"services.generator.jobs.{module}.on_best_device", spy)
    job(request_, StoredJobContext(folder, "generator", "a", {}))
    assert len(placed) == 1


@pytest.mark.parametrize("field", ["pickle_uri", "safetensors_uri"])
def test_an_object_too_large_to_be_a_network_is_refused_unread(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    folder.put("imports/large", b"")
    os.truncate(Path(folder.url.removeprefix("file://")) / "imports/large", 2 * 2**30 + 1)  # all of it a hole
    monkeypatch.setattr(folder, "get", lambda key: pytest.fail("it was read"))
    request = pb.ImportGeneratorRequest(name="n", label="l", **{field: folder.uri("imports/large")})
    with pytest.raises(InvalidInput, match="has 2147483649 bytes") as refused:
        jobs.import_generator(request, StoredJobContext(folder, "generator", "a", {}))
    assert field in refused.value.fields


def test_a_picture_to_project_is_as_bright_as_the_photographs_were() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    architecture = small_settings().architecture
    side = architecture.resolution_px
    target = projection._target(buffer.getvalue(), architecture, 12)
    levels = Image.fromarray(np.round(values / 4095 * 255).astype(np.uint8))
    wanted = projection._target(encode_png(levels), architecture, 16)
    assert target.shape == (1, architecture.channels, side, side)
    assert torch.equal(target, wanted)
