"""`generator project`: one image, or a folder of them, of which a broken one stops no other."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.exit_codes import EXIT_CODES
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from tests.unit.orchestrator.test_cli_classifier import recorded


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    store.put("models/generator/screws/1/model.json", json.dumps({"weights_sha256": "0" * 64}).encode())
    return store


def answers(store: ObjectStore) -> Any:
    """The generator's: it finds every image but one whose bytes are b"broken"."""

    def answer(request: generator_pb2.ProjectImageRequest) -> generator_pb2.ProjectImageResponse:
        content = store.get(store.key(request.image_uri))
        if content == b"broken":
            raise InvalidInput("the image: it is broken", {"image_uri": "it is broken"})
        store.put(f"{request.request_id}.png", b"picture of " + content)
        store.put(f"{request.request_id}.npz", b"latents of " + content)
        return generator_pb2.ProjectImageResponse(
            picture_uri=store.uri(f"{request.request_id}.png"), latents_uri=store.uri(f"{request.request_id}.npz"),
            metrics={"unexplained": 0.25, "psnr_db": 20.0},
        )  # fmt: skip

    return answer


def project(store: ObjectStore, *arguments: str) -> Any:
    return CliRunner().invoke(
        app, ["generator", "project", *arguments, "--model", "screws", "--json", "--store", store.url]
    )


def test_a_folder_is_read_as_many_files(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = recorded(monkeypatch, answers(store), "projecting")
    shots, out = tmp_path / "shots", tmp_path / "out"
    (shots / "b").mkdir(parents=True)
    for name, content in (("a.png", b"one"), ("b/a.png", b"two"), ("c.jpg", b"broken"), ("notes.txt", b"x")):
        (shots / name).write_bytes(content)
    done = project(store, str(shots), "--out", str(out), "--steps", "20")
    assert done.exit_code == EXIT_CODES[InvalidInput]
    result = json.loads(done.stdout)
    assert [Path(one["image"]).relative_to(shots).as_posix() for one in result["projections"]] == ["a.png", "b/a.png"]
    assert result["failed"] == [{"image": str(shots / "c.jpg"), "error": "the image: it is broken"}]
    assert f"error: {shots / 'c.jpg'}: the image: it is broken" in done.stderr
    assert (out / "a.png/projection.png").read_bytes() == b"picture of one"
    assert (out / "b/a.png/projection.npz").read_bytes() == b"latents of two"
    assert {request.steps for request in services.asked} == {20}
    assert len({request.request_id for request in services.asked}) == 3


def test_one_image_is_answered_as_one(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(monkeypatch, answers(store), "projecting")
    (tmp_path / "a.png").write_bytes(b"one")
    done = project(store, str(tmp_path / "a.png"), "--out", str(tmp_path / "out"))
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert (result["model"], result["unexplained"]) == ("screws/1", 0.25)
    assert (tmp_path / "out/projection.png").read_bytes() == b"picture of one"
    (tmp_path / "a.png").write_bytes(b"broken")
    done = project(store, str(tmp_path / "a.png"), "--out", str(tmp_path / "out"))
    assert isinstance(done.exception, InvalidInput)
    assert project(store, str(tmp_path / "none.png")).exit_code != 0


def test_what_is_wrong_with_more_than_one_image_ends_it(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: Any) -> Any:
        raise InvalidInput("no such class", {"class_label": "no such class"})

    services = recorded(monkeypatch, refuse, "projecting")
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    done = project(store, str(tmp_path), "--class", "cut")
    assert isinstance(done.exception, InvalidInput)
    assert len(services.asked) == 1
