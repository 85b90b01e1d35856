"""Snippets of the pages, run as they are printed: only addresses and the store's folder are those of the test."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bench.bundle import put_classifier
from defectory.storage import open_store
from services.classifier.bundle import weights_bytes
from services.classifier.exporting.export import export
from tests.contract.datasets import make_dataset
from tests.contract.running import ROOT
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively

MARKED = re.compile(r"(?ms)^<!-- run by a test: ([\w, ]+) -->\n```(\w+)\n(.*?)^```")


def snippets(page: str, start: str) -> dict[str, str]:
    """name -> code, in the page's order, of the blocks whose marks begin so."""
    blocks = {name: code for name, _, code in MARKED.findall((ROOT / page).read_text()) if name.startswith(start)}
    assert blocks
    return blocks


def test_every_mark_is_one_that_a_test_runs() -> None:
    pages = [page for folder in (".", "docs", "client", "services/*") for page in ROOT.glob(f"{folder}/*.md")]
    marks = [(page.name, name) for page in pages for name, _, _ in MARKED.findall(page.read_text())]
    assert sorted(marks) == [
        ("classifier.md", "export"), ("serving.md", "serving, client"), ("serving.md", "serving, shell"),
        ("serving.md", "serving, stubs"), ("serving.md", "serving, tritonclient"),
    ]  # fmt: skip
    assert sum(page.read_text().count("run by a test:") for page in pages) == len(marks)


def test_the_clients_own_page_prints_the_same_call() -> None:
    assert snippets("docs/serving.md", "serving")["serving, client"] in (ROOT / "client/README.md").read_text()


def test_the_first_call_works_as_printed(tmp_path: Path) -> None:
    """The server is started by the page's shell, and called by the page's Python as soon as that has gone on."""
    put_classifier(open_store(f"file://{tmp_path}/store"), "screws")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "part.jpg")
    shutil.copytree(ROOT / "client", tmp_path / "client")
    subprocess.run(
        [sys.executable, str(tmp_path / "client/collect_protos.py")], check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "defectory"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m orchestrator.cli.main "$@"\n')
    command.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    blocks = snippets("docs/serving.md", "serving")
    script = [blocks.pop("serving, shell"), "server=$!", 'trap "kill $server; wait $server" EXIT', "set -e"]
    for number, code in enumerate(blocks.values()):
        (tmp_path / f"{number}.py").write_text(code.replace("50052", port))
        script.append(f"{sys.executable} {number}.py")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script).replace("50052", port).replace("/srv/defectory", f"{tmp_path}/store")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={
            **os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "DEFECTORY_METRICS_PORT": "0",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}/client", "XDG_RUNTIME_DIR": str(tmp_path),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    client, stubs, triton = done.stdout.splitlines()
    assert re.fullmatch(r"screws/1 (defect True|good False) \{.*\}", client)
    assert stubs.split() == ["1", *client.split()[1:3]]
    assert f"b'{client.split()[1]}'" in triton


def test_an_exported_model_is_used_as_printed_without_defectory(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    bundle(store, weights_bytes(lively(ARCHITECTURE)), make_dataset(store))
    (tmp_path / "build/screws").mkdir(parents=True)
    exported = export(store, "judge", "onnx", "", lambda *_: None)
    Path(exported.uri.removeprefix("file://")).rename(tmp_path / "build/screws/onnx")
    (code,) = snippets("docs/classifier.md", "export").values()
    assert "defectory" not in code.lower()

    def run(snippet: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-c", snippet]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run(code)
    assert done.returncode == 0, done.stderr
    scaled = code.replace("np.float32)[None]", "np.float32)[None] / 255")
    assert scaled != code
    assert "AssertionError" in run(scaled).stderr
