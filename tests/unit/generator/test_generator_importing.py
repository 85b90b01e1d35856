"""Official pickles: the reference's pictures come out, nothing in a file is executed, what does not fit is refused."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from defectory.errors import InvalidInput
from defectory.storage import open_store
from services.generator import bundle
from services.generator.importing import pickles
from services.generator.importing.importing import import_pickle
from services.generator.rendering import render
from services.generator.stylegan2.networks import Architecture, build
from services.generator.tensors import under
from services.generator.training import settings, transfer
from services.generator.training.checkpoints import newest_tensors
from tests.unit.generator.official_pickles import Official, dumps, official
from tests.unit.generator.reference_pickles import LOOKS, PLAIN, SEEDS, made_by_the_reference, needs_reference


@needs_reference
@pytest.mark.parametrize(
    "how",
    [PLAIN, {**PLAIN, "img_channels": 1, "fp16": 4, "clamp": 256, "layers": 8}, {**PLAIN, "c_dim": 3}],
    ids=["plain", "grey, clamped, eight layers", "class-conditional"],
)
def test_the_references_pictures_come_out(tmp_path: Path, how: dict[str, Any]) -> None:
    store = open_store("memory://")
    card = import_pickle(store, made_by_the_reference(tmp_path, how).read_bytes(), "official", "1", "part")
    generator, _ = bundle.load(store, card.full_name)
    for mode, cutoff in LOOKS:
        ours = render(
            generator, SEEDS, truncation_psi=0.7, truncation_cutoff=cutoff, noise_mode=mode,
            label=0 if how["c_dim"] else None,
        )  # fmt: skip
        theirs = np.load(tmp_path / f"{mode}-{cutoff}.npy")
        assert theirs.std() > 20
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@needs_reference
@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        (PLAIN, (4, 1, True)),
        ({**PLAIN, "epilogue": {"mbstd_group_size": 8}}, (8, 1, True)),  # as paper256 and paper512
        ({**PLAIN, "epilogue": {"mbstd_group_size": None, "mbstd_num_channels": 2}}, (1024, 2, True)),
        (
            {**PLAIN, "c_dim": 3, "D": {"architecture": "orig"}, "epilogue": {"mbstd_group_size": 16}},
            (16, 1, False),
        ),  # as cifar
    ],
    ids=["plain", "groups of 8", "one group, two features", "without skips, class-conditional"],
)
def test_a_training_starts_from_both_imported_networks(
    tmp_path: Path, how: dict[str, Any], wanted: tuple[int, int, bool]
) -> None:
    store = open_store("memory://")
    card = import_pickle(store, made_by_the_reference(tmp_path, how).read_bytes(), "official", "1", "part")
    shape = settings.resolve({}, size_px=64, channels=3, classes=how["c_dim"], initial=card.architecture).architecture
    assert (shape.deviation_group, shape.deviation_features, shape.discriminator_skips) == wanted
    _, discriminator = build(shape, 0)
    assert transfer.copy_matching(discriminator, under(newest_tensors(store, card.prefix) or {}, "d/")) == []
    theirs = np.load(tmp_path / "logits.npz")
    with torch.no_grad():
        ours = discriminator(torch.from_numpy(theirs["images"]), torch.arange(16) % 3 if how["c_dim"] else None)
    np.testing.assert_allclose(ours, theirs["logits"][:, 0], rtol=1e-3, atol=1e-4)


TINY = Architecture(resolution_px=8, channel_base=256, channel_max=8, z_dim=8, w_dim=8, classes=2)


@pytest.mark.parametrize(
    "shape",
    [
        TINY,
        TINY.model_copy(update={"deviation_group": 8, "deviation_features": 2, "classes": 0, "conv_clamp": 256.0}),
        TINY.model_copy(update={"deviation_group": 32, "discriminator_skips": False}),
    ],
    ids=["class-conditional", "clamped, groups of 8", "without skips, groups of 32"],
)
def test_shape_and_weights_of_both_networks_are_read(shape: Architecture) -> None:
    store, (generator, discriminator) = open_store("memory://"), build(shape, 0)
    card = import_pickle(store, dumps(official(shape)), "official", "1", "part")
    assert card.architecture == shape
    torch.testing.assert_close(bundle.load(store, "official")[0].state_dict(), generator.state_dict())
    judging = under(newest_tensors(store, card.prefix) or {}, "d/")
    torch.testing.assert_close(judging, dict(discriminator.state_dict()))
    started = settings.resolve({"config": "paper1024"}, size_px=8, channels=3, initial=card.architecture)
    assert started.architecture.deviation_group == shape.deviation_group


def test_a_group_of_none_is_the_whole_batch() -> None:
    content = official(TINY)
    content["D"].at("b4.mbstd")["group_size"] = None
    assert import_pickle(open_store("memory://"), dumps(content), "x", "1", "part").architecture.deviation_group == 1024


ODD = [None, 3, -1, 0.5, float("nan"), 10**30, "x", b"x", [], [1], {}, {1: 2}, {"x": 3}, Official(), torch.zeros(3),
       torch.zeros(2, 2, 2, 2), torch.zeros(2, dtype=torch.int64)]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "attribute", "value", "message"),
    [
        ("G_ema", "_modules", [], r"G_ema\._modules is a list"),
        ("G_ema", "_modules", {3: 4}, r"G_ema\._modules is a dict, not values by name"),
        ("G_ema", "_init_kwargs", 3, r"G_ema\._init_kwargs is 3, not values by name"),
        ("G_ema", "_init_kwargs", {"synthesis_kwargs": []}, r"synthesis_kwargs is a list"),
        ("G_ema", "_init_kwargs", {"synthesis_kwargs": {"channel_base": torch.zeros(2)}}, "channel_base"),
        ("G_ema", "z_dim", torch.zeros(2), r"G_ema\.z_dim is a Tensor, not a number"),
        ("G_ema", "c_dim", True, r"G_ema\.c_dim is True, not a number"),
        ("G_ema", "img_channels", 5, "channels: use 1, 2, 3 or 4"),
        ("G_ema", "img_resolution", 24, "resolution_px.*power of two"),
        ("G_ema.mapping", "_modules", None, r"mapping\._modules is None"),
        ("G_ema.mapping", "_modules", {}, "mapping has no modules"),
        ("G_ema.synthesis", "_modules", {"b4": 5}, r"synthesis has no module 'b4'"),
        ("G_ema.synthesis.b8", "architecture", torch.zeros(2), "b8.architecture is a Tensor"),
        ("G_ema.synthesis.b8", "architecture", "resnet", "b8 is of the design 'resnet'; only 'skip'"),
        ("G_ema.synthesis.b4.conv1", "conv_clamp", float("inf"), "conv_clamp is inf, not a number"),
        (
            "G_ema.synthesis.b8.torgb",
            "_parameters",
            {"weight": torch.zeros(3)},
            r"to_image.weight has the shape \(3,\)",
        ),
        ("G_ema.synthesis.b8.torgb", "_parameters", {"weight": torch.zeros(3, 8, 3, 3)}, "not that of a 1x1"),
        ("G_ema.synthesis.b8.conv1", "_buffers", {"noise_const": torch.zeros(3)}, "noise_const.* is"),
        ("G_ema.synthesis.b8.conv1", "_buffers", {"noise_const": torch.zeros(2, dtype=torch.int64)}, "int64"),
        ("G_ema.synthesis.b8", "_buffers", {"resample_filter": torch.zeros(4)}, r"not the filter \[1, 3, 3, 1\]"),
        ("G_ema.synthesis.b8", "_buffers", {"odd": torch.zeros(4)}, "synthesis.b8.odd, for which there is no place"),
        ("D.b4", "_modules", 3, r"D\.b4\._modules is 3"),
        ("D.b4", "architecture", "skip", r"D\.b4 is of the design 'skip'"),
        ("D.b8", "architecture", "orig", r"D\.b8 is of the design 'orig', D.b4 of 'resnet'"),
        ("D.b4.mbstd", "group_size", "x", "group_size is 'x', not a number"),
        ("D.b4.mbstd", "group_size", 0, "deviation_group: "),
        ("D.b4.mbstd", "num_channels", None, "num_channels is None, not a number"),
        ("D.b4.conv", "conv_clamp", 256, "conv_clamp is 256, and None in the generator"),
    ],
)
def test_odd_values_are_refused_by_name(path: str, attribute: str, value: Any, message: str) -> None:
    content = official(TINY)
    network, _, inside = path.partition(".")
    content[network].at(inside)[attribute] = value
    with pytest.raises(InvalidInput, match=message) as refused:
        import_pickle(open_store("memory://"), dumps(content), "x", "1", "part")
    assert "pickle_uri" in refused.value.fields


def test_a_network_that_contains_itself_is_refused() -> None:
    content = official(TINY)
    content["G_ema"]["_modules"]["again"] = content["G_ema"]
    with pytest.raises(InvalidInput, match="more than 2000 modules"):
        import_pickle(open_store("memory://"), dumps(content), "x", "1", "part")


@settings_of_hypothesis(max_examples=80, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_pickle_it_is_imported_or_refused(data: st.DataObject) -> None:
    place: Any = official(TINY)
    content = place
    while True:  # go down a way through the file, and put something odd at its end
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.integers(0, 5)) == 0:
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(st.sampled_from(ODD))
    else:
        del place[key]
    try:
        import_pickle(open_store("memory://"), dumps(content), "x", "1", "part")
    except InvalidInput as error:
        assert error.fields  # noqa: PT017 - most are refused, some changes do not matter


class Calls:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("touch {}",)), (eval, ("open('{}', 'w')",)), (getattr, ("", "format")), (open, ("{}", "w"))],
    ids=["os.system", "eval", "getattr", "open"],
)
def test_nothing_in_the_file_is_executed(tmp_path: Path, function: Any, arguments: tuple[str, ...]) -> None:
    proof = tmp_path / "executed"
    data = pickle.dumps({"G_ema": Calls(function, *(a.format(proof) for a in arguments))})
    with pytest.raises(InvalidInput, match=f"wants .*{function.__name__}"):
        pickles.read(data)
    assert not proof.exists()


@pytest.mark.parametrize(
    "data", [b"", b"not a pickle", pickle.dumps({"G_ema": [1, 2, 3]})[:-4], b"\x80\x04\x95" + b"\xff" * 8]
)
def test_what_is_no_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="pickle is refused"):
        pickles.read(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        pickles.read(b"\x80\x04" + data)
    except InvalidInput as error:
        assert error.fields  # noqa: PT017 - most bytes are refused, some are a pickle


@pytest.mark.parametrize("content", [{"G": 1}, [], {"G_ema": {"z_dim": 3}}])
def test_a_pickle_without_a_generator_is_refused(content: Any) -> None:
    with pytest.raises(InvalidInput, match="no averaged generator"):
        import_pickle(open_store("memory://"), pickle.dumps(content), "x", "1", "part")


def test_a_tensor_cannot_reach_beyond_its_storage() -> None:
    storage = torch.arange(4.0)._typed_storage()
    with pytest.raises(InvalidInput, match="beyond its storage"):
        pickles._tensor(storage, 2, (3,), (1,), False, None)
    assert pickles._tensor(storage, 1, (3,), (1,), False, None).tolist() == [1, 2, 3]
    with pytest.raises(InvalidInput, match="more values than its storage"):
        pickles._tensor(storage, 0, (10**12,), (0,), False, None)


@pytest.mark.parametrize("name", ["collections\nOrderedDict", "dnnlib.util\nEasyDict"])
@pytest.mark.parametrize("call", [")R", ""], ids=["of what it makes", "of a class"])
@pytest.mark.parametrize("state", ["}X\x03\0\0\0getK\x05s", "N}X\x03\0\0\0getK\x05s\x86"], ids=["dict", "slots"])
def test_a_pickle_cannot_set_attributes(name: str, call: str, state: str) -> None:
    with pytest.raises(InvalidInput, match="pickle is refused"):
        pickles.read(f"\x80\x02c{name}\n{call}{state}b.".encode("latin1"))
