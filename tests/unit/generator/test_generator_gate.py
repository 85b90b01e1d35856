"""The compiled loops' gate: torch convolves where they cannot be used, or are not to be, and the log says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
import torch
import torch.nn.functional as F

from defectory.errors import InvalidInput
from defectory.settings import read_settings
from services.generator.service_settings import GeneratorServiceSettings
from services.generator.stylegan2 import convolution, direct, gate, vectors, winograd
from services.generator.training.device import set_up
from services.generator.training.reproducibility import computed_by

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{package}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import torch
import services.generator.servicer
import services.generator.jobs
from services.generator.stylegan2 import gate
from services.generator.stylegan2.networks import Architecture, build
from services.generator.training.reproducibility import computed_by

generator, discriminator = build(Architecture(resolution_px=16, channel_base=1024, z_dim=8, w_dim=8), 0)
images = generator(torch.randn(4, 8))
discriminator(images).sum().backward()
assert all(p.grad is None or p.grad.isfinite().all() for p in generator.parameters())
assert not gate.available()
assert "{package}" in gate.obstacle(), gate.obstacle()
now = computed_by(torch.device("cpu"))
assert now["compiled_loops"] == "not used" and "numba" not in now
"""


@pytest.fixture(autouse=True)
def _as_before() -> None:
    yield
    gate.switch("auto")


def run(script: str, **environment: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_without_numba_the_generator_is_imported_and_learns_and_the_log_says_it_once(package: str) -> None:
    said = run(WITHOUT.format(package=package))
    assert said.count("compiled loops cannot be used") == 1
    assert f"No module named '{package}" in said


def test_neither_the_import_of_the_generator_nor_what_computes_elsewhere_imports_numba() -> None:
    """ "meta" stands for a GPU: what is asked of a tensor there is asked of its device alone."""
    run(
        "import sys, torch\n"
        "import services.generator.servicer, services.generator.jobs, services.generator.together\n"
        "from services.generator.stylegan2.networks import Architecture, build\n"
        "with torch.device('meta'):\n"
        "    generator, _ = build(Architecture(resolution_px=64), 0)\n"
        "    wide = torch.empty(16, 64, 64, 64)\n"
        "    layer = generator.synthesis.blocks['b64'].conv1\n"
        "    layer(wide, torch.empty(16, 512), None).sum().backward()\n"
        "    with torch.no_grad():\n"
        "        layer(wide, torch.empty(16, 512), None)\n"
        "assert not {'numba', 'llvmlite'} & sys.modules.keys()\n"
    )


def test_turned_off_torch_convolves_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    x, weight = torch.randn(4, 64, 16, 16, generator=rng), torch.randn(64, 64, 3, 3, generator=rng) / 24
    ours = convolution.convolve(x, weight)
    gate.switch("off")
    monkeypatch.setattr(winograd, "run", None)  # a loop that ran would fail
    monkeypatch.setattr(direct, "run", None)
    assert torch.equal(convolution.convolve(x, weight), F.conv2d(x, weight, padding=1))
    assert convolution.prepared(weight) is None
    x, weight = x.requires_grad_(), weight.requires_grad_()
    convolution.double(convolution.convolve(x, weight), weight).square().sum().backward()
    torch.testing.assert_close(ours, F.conv2d(x, weight, padding=1), atol=1e-4, rtol=1e-4)


def test_a_service_is_told_by_flag_or_environment() -> None:
    environ = {"DEFECTORY_STORE": "memory://", "DEFECTORY_COMPILED_LOOPS": "off"}
    settings = read_settings("generator", GeneratorServiceSettings, [], environ)
    assert set_up(settings.model_dump()) == "auto"
    assert not gate.available()
    settings = read_settings("generator", GeneratorServiceSettings, ["--compiled-loops", "auto"], environ)
    set_up(settings.model_dump())
    assert gate.available()
    with pytest.raises(InvalidInput, match="compiled_loops"):
        read_settings("generator", GeneratorServiceSettings, ["--compiled-loops", "sometimes"], environ)


def test_turning_them_off_is_logged_once() -> None:
    with structlog.testing.capture_logs() as lines:
        gate.switch("off")
        gate.switch("off")
    assert [line["event"] for line in lines] == ["compiled loops are turned off: torch convolves"]


def test_a_checkpoint_says_whether_they_convolved_and_what_compiled_them() -> None:
    import llvmlite
    import numba

    now = computed_by(CPU)
    assert (now["compiled_loops"], now["numba"], now["llvmlite"]) == ("used", numba.__version__, llvmlite.__version__)
    gate.switch("off")
    assert computed_by(CPU)["compiled_loops"] == "not used"
    assert not {"numba", "llvmlite"} & computed_by(CPU).keys()


@pytest.mark.parametrize(
    ("features", "fast"),
    [({"avx", "avx2", "fma"}, True), ({"avx", "avx2"}, False), ({"sse4.2"}, False), ({"neon"}, True)],
)
def test_a_processor_without_fused_multiply_adds_of_vectors_is_passed_by(
    monkeypatch: pytest.MonkeyPatch, features: set[str], fast: bool
) -> None:
    monkeypatch.setattr(vectors, "FEATURES", frozenset(features))
    assert (vectors.lacking() == "") == fast


def test_is_chosen_where_it_pays_and_nowhere_else() -> None:
    wide, kernel = torch.empty(16, 256, 32, 32), torch.empty(256, 256, 3, 3)
    assert gate.winograd_pays(wide, kernel)
    assert not gate.winograd_pays(wide, kernel[:16])
    assert not gate.winograd_pays(wide, kernel[:100])  # no multiple of a panel
    assert not gate.winograd_pays(wide[:, :, :, :30], kernel)
    assert not gate.winograd_pays(wide.double(), kernel.double())
    assert gate.winograd_pays(wide[:6, :, :8, :8], kernel)
    assert not gate.winograd_pays(wide[:5, :, :8, :8], kernel)  # fewer tiles are worth no transform of the kernels
    assert gate.few_tiles(wide[:5, :, :8, :8], kernel)
    assert not gate.few_tiles(wide[:6, :, :8, :8], kernel)
    assert not gate.few_tiles(wide[:5, :, :4, :6], kernel)
    assert gate.whole_panels(wide, torch.empty(256, 257, 3, 3)) == 256
    assert gate.whole_panels(wide, kernel) == gate.whole_panels(wide, torch.empty(256, 300, 3, 3)) == 0
    turned = torch.empty(256, 3, 3, 256).permute(3, 0, 1, 2)
    assert gate.direct_pays(wide, 16, turned)
    assert not gate.direct_pays(wide, 1024, turned)  # the activations are more than the kernel
    assert not gate.direct_pays(wide, 16, kernel.contiguous(memory_format=torch.channels_last))
    assert gate.passes_pay(wide.contiguous(memory_format=torch.channels_last))
    assert not gate.passes_pay(wide)
    assert gate.strided_pays(wide, wide)
    assert not any(gate.strided_pays(x, wide) for x in (wide[:, :32], wide[:, :100], wide.double()))
