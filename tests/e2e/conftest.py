"""One line on drawn cables, run once from the command line: what several tests look at."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright

from defectory.storage import ObjectStore, open_store
from orchestrator.cables import write_cables
from tests.e2e.line import LINE, result, run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    write_cables(folder / "cables", 24, 14, 0, size_px=64)
    (folder / "cables/test/broken").mkdir()
    (folder / "cables/test/broken/text.png").write_text("no image")
    (folder / "cables/test/broken/empty.png").write_bytes(b"")
    file = folder / "line.yaml"
    file.write_text(yaml.safe_dump({**LINE, "data": {**LINE["data"], "directory": "cables"}}))
    return file


@pytest.fixture(scope="session")
def undisturbed(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, ObjectStore]:
    store = open_store(f"file://{tmp_path_factory.mktemp('undisturbed')}/store")
    run(pipeline, store.url)
    return result(store), store


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if CHROMIUM is None:
        missing = "no Chromium on this machine: sudo apt-get install chromium, or `make browser` as root"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Chromium, file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A module's own `file`, opened; the parameter is the window's width in px."""
    page = chromium.new_page(viewport={"width": getattr(request, "param", 1280), "height": 800})
    page.goto(file.as_uri())
    yield page
    page.close()
