"""Snapshots of random networks that the reference itself writes, and what they make of seeds and of pictures.

The reference runs in a process of its own, from the checkout that the environment variable DEFECTORY_REFERENCE names.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REFERENCE = os.environ.get("DEFECTORY_REFERENCE", "")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="DEFECTORY_REFERENCE names no checkout of stylegan2-ada-pytorch"
)
SEEDS = [*range(10), 42]
LOOKS = (("const", None), ("none", None), ("const", 5))  # noise mode and truncation cutoff, at psi 0.7
PLAIN: dict[str, Any] = {"c_dim": 0, "img_channels": 3, "fp16": 0, "clamp": None, "layers": 2}

# Constructs and pickles as train.py and training_loop.py do.
_MAKE = """
import copy, pickle, sys, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import dnnlib
from dnnlib import EasyDict
torch.manual_seed(0)
how, seeds, looks = eval(sys.argv[3]), eval(sys.argv[4]), eval(sys.argv[5])
sizes = dict(channel_base=1024, channel_max=64, num_fp16_res=how["fp16"], conv_clamp=how["clamp"])
shape = dict(c_dim=how["c_dim"], img_resolution=64, img_channels=how["img_channels"])
G_kwargs = EasyDict(class_name="training.networks.Generator", z_dim=32, w_dim=48,
                    mapping_kwargs=EasyDict(num_layers=how["layers"]), synthesis_kwargs=EasyDict(**sizes))
D_kwargs = EasyDict(class_name="training.networks.Discriminator", block_kwargs=EasyDict(), mapping_kwargs=EasyDict(),
                    epilogue_kwargs=EasyDict(**how.get("epilogue", {})), **sizes, **how.get("D", {}))
pipe_kwargs = EasyDict(class_name="training.augment.AugmentPipe", xflip=1, rotate90=1, xint=1, scale=1, brightness=1)
G = dnnlib.util.construct_class_by_name(**G_kwargs, **shape)
D = dnnlib.util.construct_class_by_name(**D_kwargs, **shape)
pipe = dnnlib.util.construct_class_by_name(**pipe_kwargs).train().requires_grad_(False)
pipe.p.copy_(torch.as_tensor(0.25))
with torch.no_grad():
    for name, p in G.named_parameters():
        if name.endswith("noise_strength"): p.fill_(0.3)
        elif name.endswith(".bias"): p.add_(torch.randn_like(p) * 0.2)
    G.mapping.w_avg.normal_()
G = G.eval().requires_grad_(False)
data = dict(training_set_kwargs=dict(EasyDict(class_name="training.dataset.ImageFolderDataset", path="x.zip")))
for name, module in [("G", G), ("D", D), ("G_ema", G), ("augment_pipe", pipe)]:
    data[name] = copy.deepcopy(module).eval().requires_grad_(False).cpu()
with open(sys.argv[2] + "/net.pkl", "wb") as file:
    pickle.dump(data, file)
z = torch.from_numpy(np.concatenate([np.random.RandomState(seed).randn(1, 32) for seed in seeds]))
c = torch.zeros(len(seeds), how["c_dim"]); c[:, :1] = 1
for mode, cutoff in looks:
    image = G(z, c, truncation_psi=0.7, truncation_cutoff=cutoff, noise_mode=mode, force_fp32=True)
    pixels = (image.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    np.save(sys.argv[2] + f"/{mode}-{cutoff}.npy", pixels.numpy())
x = torch.randn(16, how["img_channels"], 64, 64)
c = torch.eye(how["c_dim"])[torch.arange(16) % how["c_dim"]] if how["c_dim"] else torch.zeros(16, 0)
np.savez(sys.argv[2] + "/logits.npz", images=x.numpy(), logits=D(x, c, force_fp32=True).detach().numpy())
"""


def made_by_the_reference(folder: Path, how: dict[str, Any]) -> Path:
    """A snapshot; beside it `NOISE-CUTOFF.npy` (pixels of `SEEDS`, class 0) and `logits.npz` (of images in turn)."""
    command = [sys.executable, "-c", _MAKE, REFERENCE, str(folder), repr(how), repr(SEEDS), repr(LOOKS)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert completed.returncode == 0, completed.stderr[-2000:]
    return folder / "net.pkl"
