"""Lints the protos in Buf's style (STANDARD and COMMENTS): `python -m tests.contract.proto_lint`."""

import subprocess
import sys
import tempfile
from pathlib import Path

import google.longrunning
import grpc_tools

ROOT = Path(__file__).parents[2]
CONFIG = """\
version: v2
lint:
  use: [STANDARD, COMMENTS]
  except:
    - RPC_RESPONSE_STANDARD_NAME  # long-running calls return google.longrunning.Operation
    - RPC_REQUEST_RESPONSE_UNIQUE
  ignore: [google]
  ignore_only:  # clients of the Open Inference Protocol know its package, enum values and nothing else
    PACKAGE_DIRECTORY_MATCH: [defectory/api/inference]
    PACKAGE_VERSION_SUFFIX: [defectory/api/inference]
    ENUM_VALUE_PREFIX: [defectory/api/inference]
    ENUM_ZERO_VALUE_SUFFIX: [defectory/api/inference]
"""


def lint() -> subprocess.CompletedProcess[str]:
    """Run `buf lint` over what protoc makes of our protos, so that no module has to be fetched."""
    google_protos = Path(google.longrunning.__path__[0]).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder, "include/google/longrunning")
        include.mkdir(parents=True)
        source = google_protos / "google/longrunning/operations_proto.proto"
        (include / "operations.proto").write_bytes(source.read_bytes())
        image = Path(folder, "image.binpb")
        protos = sorted(str(p) for p in (ROOT / "proto").rglob("*.proto"))
        paths = [f"-I{ROOT / 'proto'}", f"-I{folder}/include", f"-I{google_protos}", f"-I{_well_known()}"]
        flags = ["--include_imports", "--include_source_info", f"--descriptor_set_out={image}"]
        # In a process of its own: protoc's C++ does not get on with that of tensorflow in a test's process.
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *paths, *flags, *protos], check=True)
        Path(folder, "buf.yaml").write_text(CONFIG)
        command = [Path(sys.executable).with_name("buf"), "lint", image, "--config", f"{folder}/buf.yaml"]
        return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)


def _well_known() -> Path:
    return Path(grpc_tools.__file__).parent / "_proto"


if __name__ == "__main__":
    result = lint()
    sys.stdout.write(result.stdout + result.stderr)
    sys.exit(result.returncode)
