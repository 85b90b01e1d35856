"""Files as stylegan2-ada-pytorch writes them, made of networks of ours: for tests without a checkout of it."""

import pickle
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from unittest import mock

from torch import Tensor, nn

from services.generator.stylegan2.networks import Architecture, Discriminator, Generator, build


class Official(dict[str, Any]):
    """Attributes of an object that the reference writes with the source of its class."""

    def __reduce__(self) -> Any:
        """A call of the reference's function."""
        meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": "X", "state": dict(self)}
        return _reconstruct_persistent_obj, (meta,)

    def at(self, path: str) -> "Official":
        """The module of a dotted path, made where there is none."""
        module = self
        for name in path.split(".") if path else ():
            module = module.setdefault("_modules", {}).setdefault(name, Official(_parameters={}, _buffers={}))
        return module


def _reconstruct_persistent_obj(meta: Mapping[str, Any]) -> None:
    """Is only named in the file."""


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


def dumps(content: Any) -> bytes:
    """The file."""
    module = ModuleType("torch_utils.persistence")
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    with mock.patch.dict(sys.modules, {"torch_utils": ModuleType("torch_utils"), "torch_utils.persistence": module}):
        return pickle.dumps(content)


def official(shape: Architecture, seed: int = 0) -> dict[str, Any]:
    """What a snapshot of two random networks holds."""
    generator, discriminator = build(shape, seed)
    return {"G_ema": _generator(generator), "D": _discriminator(discriminator), "training_set_kwargs": None}


def _generator(network: Generator) -> Official:
    shape = network.architecture
    module = Official(
        z_dim=shape.z_dim, c_dim=shape.classes, w_dim=shape.w_dim, img_resolution=shape.resolution_px,
        img_channels=shape.channels, _init_kwargs={
            "synthesis_kwargs": {"channel_base": shape.channel_base, "channel_max": shape.channel_max}
        },
    )  # fmt: skip
    names = [
        (r"mapping\.layers\.(\d+)", r"mapping.fc\1"), (r"mapping\.embedding", "mapping.embed"),
        (r"w_average", "w_avg"), (r"synthesis\.blocks", "synthesis"), (r"to_image", "torgb"), (r"\.conv\.", "."),
    ]  # fmt: skip
    _fill(module, network, names)
    for r in shape.resolutions:
        block = module.at(f"synthesis.b{r}")
        block["architecture"] = "skip"
        for name in block["_modules"]:
            block.at(name)["conv_clamp"] = shape.conv_clamp
    return module


def _discriminator(network: Discriminator) -> Official:
    shape, module = network.architecture, Official()
    names = [
        (r"^from_image", f"b{shape.resolution_px}.fromrgb"), (r"^blocks\.", ""), (r"^conv\.", "b4.conv."),
        (r"^dense", "b4.fc"), (r"^out", "b4.out"), (r"^classes\.layers\.(\d+)", r"mapping.fc\1"),
        (r"^classes\.embedding", "mapping.embed"),
    ]  # fmt: skip
    _fill(module, network, names)
    for r in shape.resolutions:
        module.at(f"b{r}")["architecture"] = "resnet" if shape.discriminator_skips else "orig"
    module.at("b4.conv")["conv_clamp"] = shape.conv_clamp
    module.at("b4.mbstd").update(group_size=shape.deviation_group, num_channels=shape.deviation_features)
    return module


def _fill(module: Official, network: nn.Module, names: list[tuple[str, str]]) -> None:
    """Put a network's tensors where the reference has them."""
    for name, value in network.state_dict().items():
        for ours, theirs in names:
            name = re.sub(ours, theirs, name)
        path, _, last = name.rpartition(".")
        module.at(path)["_parameters"][last] = _as_theirs(name, value)


def _as_theirs(name: str, value: Tensor) -> Tensor:
    if name.endswith("torgb.weight"):
        return value[:, :, None, None]
    return value[0, 0] if name.endswith("noise_const") else value
