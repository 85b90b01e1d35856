"""Compiled loops are kept where only their user can write, and not for ever."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.generator.stylegan2 import loop_cache

ROOT = Path(__file__).parents[3]

CONVOLVE = """
import torch
from services.generator.stylegan2 import kernels, winograd
x, weight = torch.randn(2, 32, 8, 8), torch.randn(32, 32, 3, 3)
y = winograd.convolve(x, kernels.transformed(weight))
torch.testing.assert_close(y, torch.nn.functional.conv2d(x, weight, padding=1), rtol=1e-3, atol=1e-3)
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "loop.py").write_text("x = 1\n")
    return folder


def test_a_new_folder_is_for_this_user_only(tmp_path: Path, sources: Path) -> None:
    folder = loop_cache.folder(tmp_path / "cache", sources, ["1"])
    assert folder is not None
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}


def test_another_source_or_another_compiler_is_another_generation(tmp_path: Path, sources: Path) -> None:
    first = loop_cache.folder(tmp_path, sources, ["1", "2"])
    assert loop_cache.folder(tmp_path, sources, ["1", "2"]) == first
    assert loop_cache.folder(tmp_path, sources, ["1", "3"]) != first
    (sources / "loop.py").write_text("x = 2\n")
    assert loop_cache.folder(tmp_path, sources, ["1", "2"]) != first


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777], ids=["group", "world", "both"])
@pytest.mark.parametrize("level", ["loops", "generation"])
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path, sources: Path, mode: int, level: str) -> None:
    folder = loop_cache.folder(tmp_path, sources, ["1"])
    assert folder is not None
    (folder if level == "generation" else folder.parent).chmod(mode)
    assert loop_cache.folder(tmp_path, sources, ["1"]) is None


@pytest.mark.parametrize("level", ["loops", "generation"])
def test_a_folder_of_another_user_is_not_used(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    folder = loop_cache.folder(tmp_path, sources, ["1"])
    assert folder is not None
    theirs = folder if level == "generation" else folder.parent
    lstat = Path.lstat

    def of_another(path: Path) -> os.stat_result:
        fields = list(lstat(path))
        fields[4] += path == theirs  # st_uid
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "lstat", of_another)
    assert loop_cache.folder(tmp_path, sources, ["1"]) is None


def test_a_link_to_another_folder_is_not_used(tmp_path: Path, sources: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "cache" / "defectory").mkdir(parents=True)
    (tmp_path / "cache" / "defectory" / "loops").symlink_to(elsewhere)
    assert loop_cache.folder(tmp_path / "cache", sources, ["1"]) is None


def test_generations_that_nobody_uses_any_more_are_removed(tmp_path: Path, sources: Path) -> None:
    old, newer, current = (loop_cache.folder(tmp_path, sources, [version]) for version in "123")
    assert old is not None
    assert newer is not None
    assert current is not None
    (old / "loop.nbc").write_bytes(b"code")
    long_ago = time.time() - loop_cache.UNUSED_S - 60
    for generation in (old, current):
        os.utime(generation, (long_ago, long_ago))
    assert loop_cache.folder(tmp_path, sources, ["3"]) == current  # asked for, so it is in use
    assert not old.exists()
    assert newer.exists()
    assert current.exists()


def test_nothing_is_read_or_written_where_others_may_write_and_the_loops_run_all_the_same(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", CONVOLVE], env=environment, cwd=ROOT, check=True)
    kept = sorted(tmp_path.rglob("*.nbc"))
    assert kept
    for path in kept:
        path.write_bytes(b"what another user has put there")  # no process could read it
    (tmp_path / "defectory" / "loops").chmod(0o777)
    subprocess.run([sys.executable, "-c", CONVOLVE], env=environment, cwd=ROOT, check=True)
    assert {path.read_bytes() for path in kept} == {b"what another user has put there"}
    assert sorted(tmp_path.rglob("*.nbc")) == kept
