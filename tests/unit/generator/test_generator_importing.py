"""Official pickles: the reference's pictures come out, nothing in a file is executed, what does not fit is refused."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectory.errors import InvalidInput
from defectory.storage import open_store
from services.generator import bundle
from services.generator.importing import pickles
from services.generator.importing.importing import import_pickle
from services.generator.rendering import render
from services.generator.training import transfer
from services.generator.training.checkpoints import newest_tensors

REFERENCE = os.environ.get("DEFECTORY_REFERENCE", "")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="DEFECTORY_REFERENCE names no checkout of stylegan2-ada-pytorch"
)

MAKE = """
import pickle, sys, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from training import networks
torch.manual_seed(0)
how = eval(sys.argv[3])
shape = dict(c_dim=how["c_dim"], img_resolution=64, img_channels=how["img_channels"])
sizes = dict(channel_base=1024, channel_max=64, num_fp16_res=how["fp16"], conv_clamp=how["clamp"])
layers = dict(num_layers=how["layers"])
G = networks.Generator(z_dim=32, w_dim=48, mapping_kwargs=layers, synthesis_kwargs=sizes, **shape)
D = networks.Discriminator(**shape, **sizes)
with torch.no_grad():
    for name, p in G.named_parameters():
        if name.endswith("noise_strength"): p.fill_(0.3)
        elif name.endswith(".bias"): p.add_(torch.randn_like(p) * 0.2)
    G.mapping.w_avg.normal_()
G = G.eval().requires_grad_(False)
with open(sys.argv[2] + "/net.pkl", "wb") as file:
    pickle.dump(dict(G=G, D=D.eval().requires_grad_(False), G_ema=G, training_set_kwargs=None), file)
for mode in ("const", "none"):
    z = np.concatenate([np.random.RandomState(seed).randn(1, 32) for seed in range(6)])
    c = torch.zeros(6, how["c_dim"]); c[:, :1] = 1
    image = G(torch.from_numpy(z), c, truncation_psi=0.7, noise_mode=mode, force_fp32=True)
    pixels = (image.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    np.save(sys.argv[2] + f"/{mode}.npy", pixels.numpy())
x = torch.linspace(-1, 1, 4 * how["img_channels"] * 64 * 64).reshape(4, -1, 64, 64)
np.save(sys.argv[2] + "/logits.npy", D(x, c[:4], force_fp32=True).detach().numpy())
"""


@needs_reference
@pytest.mark.parametrize(
    "how",
    [
        {"c_dim": 0, "img_channels": 3, "fp16": 0, "clamp": None, "layers": 2},
        {"c_dim": 0, "img_channels": 1, "fp16": 4, "clamp": 256, "layers": 8},
        {"c_dim": 3, "img_channels": 3, "fp16": 0, "clamp": None, "layers": 2},
    ],
    ids=["plain", "grey, clamped, eight layers", "class-conditional"],
)
def test_the_references_pictures_come_out(tmp_path: Path, how: dict[str, Any]) -> None:
    command = [sys.executable, "-c", MAKE, REFERENCE, str(tmp_path), repr(how)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert made.returncode == 0, made.stderr[-2000:]
    store = open_store("memory://")
    card = import_pickle(store, (tmp_path / "net.pkl").read_bytes(), "official", "1", "part")
    generator, _ = bundle.load(store, card.full_name)
    for mode in ("const", "none"):
        ours = render(generator, range(6), truncation_psi=0.7, noise_mode=mode, label=0 if how["c_dim"] else None)
        theirs = np.load(tmp_path / f"{mode}.npy")
        assert theirs.std() > 20
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@needs_reference
def test_a_training_starts_from_both_imported_networks(tmp_path: Path) -> None:
    import torch

    from services.generator.stylegan2.networks import build

    how = {"c_dim": 0, "img_channels": 3, "fp16": 0, "clamp": None, "layers": 2}
    subprocess.run([sys.executable, "-c", MAKE, REFERENCE, str(tmp_path), repr(how)], check=True, capture_output=True)
    store = open_store("memory://")
    card = import_pickle(store, (tmp_path / "net.pkl").read_bytes(), "official", "1", "part")
    _, discriminator = build(card.architecture, 0)
    stored = newest_tensors(store, card.prefix) or {}
    assert transfer.copy_matching(discriminator, {k.removeprefix("d/"): v for k, v in stored.items()}) == []
    x = torch.linspace(-1, 1, 4 * 3 * 64 * 64).reshape(4, 3, 64, 64)
    with torch.no_grad():
        ours = discriminator(x).numpy()
    np.testing.assert_allclose(ours, np.load(tmp_path / "logits.npy")[:, 0], rtol=1e-3, atol=1e-4)


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
    import torch

    storage = torch.arange(4.0)._typed_storage()
    with pytest.raises(InvalidInput, match="beyond its storage"):
        pickles._tensor(storage, 2, (3,), (1,), False, None)
    assert pickles._tensor(storage, 1, (3,), (1,), False, None).tolist() == [1, 2, 3]
