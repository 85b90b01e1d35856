"""`defectory generator`: files in, files out, by a running service."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner

from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from services.generator.bundle import read_card
from tests.contract.running import Service
from tests.unit.generator.generator_samples import write_generator, write_images

Command = Callable[..., dict[str, Any]]
CUT = ("--truncation-psi", 0, "--truncation-cutoff", 2)  # at psi 0, and without the cutoff, all pictures are the same


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('cli')}/store")
    write_generator(store)
    write_generator(store, "kinds", classes=("bent", "cut"))
    return store


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    with Service("services.generator", store.url) as running:
        yield running


@pytest.fixture
def defectory(store: ObjectStore, service: Service) -> Command:
    """Runs `defectory generator …`, and returns what it prints."""
    environ = {"DEFECTORY_STORE": store.url, "DEFECTORY_GENERATOR_ADDRESS": service.address}

    def run(*arguments: object) -> dict[str, Any]:
        done = CliRunner().invoke(
            app, ["generator", *map(str, arguments), "--json"], env=environ, catch_exceptions=False
        )
        assert done.exit_code == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    return run


def test_an_export_comes_back(defectory: Command, store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "tiny.safetensors"
    exported = defectory("export", "tiny", "--out", file)
    assert exported["bytes"] == file.stat().st_size
    back = defectory("import", file, "--name", "back", "--label", "scratch")
    shown = defectory("show", "tiny")
    assert (back["model"], back["label"], back["weights_sha256"]) == ("back/1", "scratch", shown["weights_sha256"])
    store.put("models/generator/broken/1/model.json", b"{")  # is named on standard error, and stops nothing
    listed = {row["model"]: row["resolution_px"] for row in defectory("list")["generators"]}
    assert listed == {"tiny/1": 16, "kinds/1": 16, "back/1": 16}


def test_an_onnx_file(defectory: Command, tmp_path: Path) -> None:
    exported = defectory("export", "tiny", "--format", "onnx", "--out", tmp_path / "model.bin")
    assert exported["grey_levels_off"] <= 1
    assert [x.name for x in onnx.load(tmp_path / "model.bin").graph.input] == ["z", "truncation_psi"]


def test_film_and_grid_and_sheet(defectory: Command, tmp_path: Path) -> None:
    film = defectory(
        "interpolate", "tiny", "--seeds", "0,3", "--frames", 4, "--space", "z", *CUT, "--out", tmp_path / "f.webp"
    )
    with Image.open(tmp_path / "f.webp") as opened:
        assert opened.n_frames == film["frames"] == 4
        first = np.asarray(opened.convert("RGB"))
        opened.seek(3)
        assert not np.array_equal(first, np.asarray(opened.convert("RGB")))
    defectory("mix", "tiny", "--rows", "0-1", "--columns", "5,7", "--styles", "0", *CUT, "--out", tmp_path / "mix.png")
    grid = np.asarray(decode((tmp_path / "mix.png").read_bytes()))
    assert grid.shape == (48, 48, 3)
    preview = defectory("preview", "--model", "tiny", "--seeds", "0-4", *CUT, "--out", tmp_path / "pictures")
    sheet = np.asarray(decode(Path(preview["sheet"]).read_bytes()))
    assert sheet.shape == (2 * 16, 3 * 16, 3)
    np.testing.assert_array_equal(sheet[16:, 16:32], np.asarray(decode(Path(preview["files"][4]).read_bytes())))
    np.testing.assert_array_equal(grid[16:32, :16], sheet[:16, :16])
    assert not np.array_equal(sheet[:16, :16], sheet[:16, 16:32])


def test_synthesis_in_half_precision(defectory: Command, store: ObjectStore, tmp_path: Path) -> None:
    given = ("--model", "tiny", "--seeds", "0-1", "--noise", "const", "--precision", "bf16", "--half-resolutions", 1)
    synthesized = defectory("synthesize", *given, *CUT, "--out", tmp_path / "made")
    lines = read_manifest(store, synthesized["manifest_uri"])
    assert {(line.synthesis.precision, line.synthesis.half_resolutions) for line in lines} == {("bf16", 1)}
    assert {(line.synthesis.truncation_psi, line.synthesis.truncation_cutoff) for line in lines} == {(0.0, 2)}
    assert len({line.file.sha256 for line in lines}) == 2
    defectory("preview", *given, *CUT, "--out", tmp_path / "shown")
    for name in ("seed000000.png", "seed000001.png"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "shown" / name).read_bytes()


TRAIN = ("train", "parts", "--label", "good", "--channel-base", 256, "--batch", 4, "--kimg", 0.004)


def test_settings_of_a_training_reach_it(defectory: Command, store: ObjectStore) -> None:
    write_images(store, "parts", [("good", "train")] * 4)
    given = ("--augment", "fixed", "--augment-p", 0.25, "--style-mixing", 0.5, "--path-length-weight", 0,
             "--ema-kimg", 0.5, "--half-resolutions", 2, "--measured-images", 0, "--z-dim", 16, "--w-dim", 24,
             "--mapping-layers", 3, "--channel-max", 12)  # fmt: skip
    trained = defectory(*TRAIN, "--name", "set", *given)
    assert trained["augment_p"] == 0.25
    settings = read_card(store, "set").settings
    assert (settings.style_mixing, settings.path_length_weight) == (0.5, 0)
    assert (settings.ema_kimg, settings.half_resolutions) == (0.5, 2)
    shape = settings.architecture
    assert (shape.z_dim, shape.w_dim, shape.mapping_layers, shape.channel_max) == (16, 24, 3, 12)
    defectory(*TRAIN, "--name", "moved", "--init", "set", "--freeze-d", 1, "--augment-target", 0.5)
    settings = read_card(store, "moved").settings
    assert (settings.augment_target, settings.freeze_d, settings.architecture.z_dim) == (0.5, 1, 16)


def test_fixed_augmentation_without_a_probability_is_refused(defectory: Command, store: ObjectStore) -> None:
    write_images(store, "parts", [("good", "train")] * 4)
    with pytest.raises(InvalidInput, match=r"augment_p is 0: above 0 and at most 0\.8") as refused:
        defectory(*TRAIN, "--name", "unset", "--augment", "fixed")
    assert "settings.augment_p" in refused.value.fields


def test_classes_of_films_grids_and_projections(defectory: Command, tmp_path: Path) -> None:
    film = defectory("interpolate", "kinds", "--seeds", "4,4", "--class", "bent, cut", "--frames", 2, "--out",
                     tmp_path / "f.webp")  # fmt: skip
    assert film["frames"] == 2
    grid = ("--rows", 4, "--columns", 4, "--styles", "0-5", "--class", "bent,cut", "--out", tmp_path / "mix.png")
    defectory("mix", "kinds", *grid)
    preview = defectory("preview", "--model", "kinds", "--seeds", 4, "--class", "bent", "--out", tmp_path)
    mixed = np.asarray(decode((tmp_path / "mix.png").read_bytes()))[16:, 16:]
    np.testing.assert_array_equal(mixed, np.asarray(decode(Path(preview["files"][0]).read_bytes())))  # all of the row's
    projection = defectory("project", preview["files"][0], "--model", "kinds", "--class", "cut", "--steps", 10,
                           "--compared", 0, "--out", tmp_path)  # fmt: skip
    assert "psnr_db" in projection


def test_a_projection(defectory: Command, tmp_path: Path) -> None:
    preview = defectory("preview", "--model", "tiny", "--seeds", "1", "--out", tmp_path / "pictures")
    projection = defectory(
        "project", preview["files"][0], "--model", "tiny", "--steps", 10, "--compared", 1, "--out", tmp_path
    )
    assert {"psnr_db", "own_psnr_db", "unexplained_ratio"} <= projection.keys()
    assert decode((tmp_path / "projection.png").read_bytes()).size == (32, 32)
    with np.load(io.BytesIO((tmp_path / "projection.npz").read_bytes())) as latents:
        assert "w" in latents
