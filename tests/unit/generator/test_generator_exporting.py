"""Exports: ONNX Runtime makes the same pictures; a safetensors file comes back as the same weights, or not at all."""

import json
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import safetensors.torch
import torch

from defectory.errors import Corrupted, InvalidInput
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.exporting import onnx_model, safetensors_file
from services.generator.exporting.onnx_graph import graph_of
from services.generator.stylegan2.networks import Architecture, Generator, build
from tests.unit.generator.generator_samples import write_generator

SHAPES = {
    "rgb": {},
    "grey": {"channels": 1},
    "classes": {"classes": 3},
    "clamped": {"conv_clamp": 1.0},
    "one mapping layer": {"mapping_layers": 1, "w_dim": 8},
}


def lively(**given: object) -> Generator:
    """A network of which every weight matters."""
    shape = {"resolution_px": 16, "channel_base": 512, "channel_max": 24, "z_dim": 12, "w_dim": 20, **given}
    network, _ = build(Architecture(**shape), 0)
    rng = torch.Generator().manual_seed(1)
    for name, value in network.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_average")):
            value.add_(torch.randn(value.shape, generator=rng), alpha=0.3)
    return network.eval().requires_grad_(False)


def numpy_weights(network: Generator) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("given", SHAPES.values(), ids=SHAPES)
def test_onnx_computes_what_torch_computes(given: dict) -> None:
    network = lively(**given)
    data = graph_of(network.architecture, numpy_weights(network), {}).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for count, psi in ((1, 1.0), (5, 0.4)):
        z = torch.randn(count, 12, generator=torch.Generator().manual_seed(count))
        inputs = {"z": z.numpy(), "truncation_psi": np.array(psi, np.float32)}
        label = torch.arange(count) % 3 if network.architecture.classes else None
        if label is not None:
            inputs["label"] = label.numpy()
        (pictures,) = session.run(["image"], inputs)
        with torch.no_grad():
            wanted = network(z, label, truncation_psi=psi, noise="const").numpy()
        np.testing.assert_allclose(pictures, wanted, atol=1e-4)


def test_an_onnx_file_says_whose_it_is(folder: ObjectStore) -> None:
    write_generator(folder)
    generator, card = bundle.load(folder, "tiny")
    data, off = onnx_model.export(generator, card)
    assert off <= 1
    assert data == onnx_model.export(generator, card)[0]
    about = {x.key: x.value for x in onnx.load_from_string(data).metadata_props}
    assert (about["model"], about["weights_sha256"]) == ("tiny/1", card.weights_sha256)
    assert Architecture.model_validate_json(about["architecture"]) == card.architecture


def test_an_onnx_file_of_another_network_is_not_handed_out(
    folder: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_generator(folder)
    generator, card = bundle.load(folder, "tiny")

    def other(architecture: Architecture, weights: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> object:
        name = "synthesis.blocks.b16.to_image.bias"
        return graph_of(architecture, {**weights, name: weights[name] + 0.03}, metadata)

    monkeypatch.setattr(onnx_model, "graph_of", other)
    with pytest.raises(Corrupted, match="grey levels off"):
        onnx_model.export(generator, card)


def test_an_exported_file_comes_back_as_the_same_weights(folder: ObjectStore) -> None:
    write_generator(folder)
    generator, card = bundle.load(folder, "tiny")
    data = safetensors_file.export(generator, card)
    assert safetensors.torch.load(data).keys() == generator.state_dict().keys()
    again = safetensors_file.import_file(folder, data, "again", "1", "")
    assert (again.weights_sha256, again.label, again.architecture) == (
        card.weights_sha256,
        card.label,
        card.architecture,
    )
    assert "tiny/1" in again.source
    assert bundle.load(folder, "again")[1] == again
    assert safetensors_file.import_file(folder, data, "named", "1", "scratch").label == "scratch"


def changed(data: bytes, **changes: object) -> bytes:
    """The file with another card, or with other tensors ("tensors"), or other metadata ("metadata")."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    tensors = safetensors.torch.load(data)
    tensors |= changes.pop("tensors", {})
    metadata |= changes.pop("metadata", {})
    metadata["card"] = json.dumps({**json.loads(metadata["card"]), **changes})
    return safetensors.torch.save({k: v for k, v in tensors.items() if v is not None}, metadata)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tensors": {"extra": torch.zeros(1)}}, "unknown 'extra'"),
        ({"tensors": {"mapping.w_average": None}}, "lacks 'mapping.w_average'"),
        ({"tensors": {"mapping.w_average": torch.zeros(9)}}, "architecture wants"),
        ({"tensors": {"mapping.w_average": torch.full((8,), torch.nan)}}, "not finite"),
        ({"tensors": {"mapping.w_average": torch.ones(8)}}, "its card says"),
        ({"metadata": {"pickle": "yes"}}, "Extra inputs"),
        ({"metadata": {"format": "other"}}, "format"),
        ({"metadata": {"architecture": "{}"}}, "not the one on its card"),
        ({"hook": "print()"}, "Extra inputs"),
        ({"weights_sha256": "0" * 64}, "its card says"),
    ],
)
def test_files_that_were_changed_are_refused(folder: ObjectStore, changes: dict, reason: str) -> None:
    write_generator(folder)
    data = changed(safetensors_file.export(*bundle.load(folder, "tiny")), **changes)
    with pytest.raises(InvalidInput, match=reason) as refused:
        safetensors_file.import_file(folder, data, "bad", "1", "")
    assert "safetensors_uri" in refused.value.fields
    assert not folder.exists("models/generator/bad/1/model.json")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",
        b"\xff" * 8,
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
        b"PK\x03\x04" * 9,
        safetensors.torch.save({"x": torch.zeros(1)}),
    ],
)
def test_files_that_are_something_else_are_refused(folder: ObjectStore, data: bytes) -> None:
    with pytest.raises(InvalidInput):
        safetensors_file.import_file(folder, data, "bad", "1", "")
