"""The protos are in style, and the committed stubs are what they say."""

import subprocess
import sys
from pathlib import Path

import google.longrunning as google_longrunning
import pytest

from tests.contract.proto_lint import ROOT, lint


def test_protos_are_in_style() -> None:
    result = lint()
    assert result.returncode == 0, result.stdout + result.stderr


def test_stubs_are_not_stale(tmp_path: Path) -> None:
    protos = sorted(str(p) for p in (ROOT / "proto").rglob("*.proto"))
    bin_folder = Path(sys.executable).parent
    google = Path(google_longrunning.__path__[0]).parents[1]
    include = tmp_path / "include/google/longrunning"
    include.mkdir(parents=True)
    (include / "operations.proto").write_bytes(Path(google, "google/longrunning/operations_proto.proto").read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    command = [
        sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", f"-I{tmp_path / 'include'}", f"-I{google}",
        f"--python_out={out}", f"--grpc_python_out={out}", f"--mypy_out=quiet:{out}", f"--mypy_grpc_out=quiet:{out}",
        f"--plugin=protoc-gen-mypy={bin_folder / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={bin_folder / 'protoc-gen-mypy_grpc'}", *protos,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    generated = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    stubs = ROOT / "defectory/api"
    committed = {
        p.relative_to(ROOT): p.read_bytes()
        for p in stubs.rglob("*")
        if p.is_file() and p.name != "__init__.py" and "__pycache__" not in p.parts
    }
    if generated != committed:
        pytest.fail(
            f"run `make proto`: {sorted(map(str, generated.keys() ^ committed.keys()))} or their content differ"
        )
