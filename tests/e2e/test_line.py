"""The whole line from the command line, over real gRPC services: on a real S3 server, through kills, and its report.

The report is looked at in a real browser: nothing from outside, nothing broken, nothing cut off. All in one file, for
tests of one file run in one process, so that the run that most of them look at is made once. The last of them adds arms
to it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from defectory.datasets.manifest import read_manifest
from defectory.storage import ObjectStore, open_store
from defectory.storage.places import path_or_uri
from tests.e2e.line import LINE, ROOT, command, result, run
from tests.patience import PATIENT_S

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARMS = """
- baseline
- expanded
- {name: raw, trains_on: synthetic, title: unfiltered}
- name: even
  trains_on: balanced
  title: drawn balanced
  classifier: {epochs: 1, augment: 0.2}
  colour: "#1a7f37"
"""
TITLES = ["real only", "real + synthetic", "unfiltered", "drawn balanced"]
SECTIONS = ("verdict", "comparison", "curves", "reliability", "counts", "people", "images", "reasons", "settings")


def test_the_line_makes_a_report(undisturbed: tuple[dict, ObjectStore], pipeline: Path) -> None:
    _, store = undisturbed
    html = store.get("runs/line/report.html").decode()
    summary = json.loads(store.get("runs/line/steps/report.json"))["outputs"]["summary"]
    assert summary["verdict"] in html
    assert "empty.png" in html
    assert 'src="http' not in html
    ingest = json.loads(store.get("runs/line/steps/ingest.json"))["outputs"]
    assert {path for path, _ in ingest["skipped"]} == {"test/broken/text.png", "test/broken/empty.png"}
    again = run(pipeline, store.url)
    assert again["steps"]["ran"] == []


def test_a_copy_of_the_store_is_that_store_elsewhere(
    undisturbed: tuple[dict, ObjectStore], pipeline: Path, tmp_path: Path
) -> None:
    root = path_or_uri(undisturbed[1].url)
    shutil.copytree(root, tmp_path / "elsewhere")
    moved = open_store(f"file://{tmp_path}/elsewhere", make=False)
    typed = {"runs/line/command.json"}  # as somebody typed it, with the store's place
    documents = [info.key for info in moved.list() if info.key.endswith((".json", ".jsonl"))]
    assert len(documents) > 20
    assert [key for key in documents if root.encode() in moved.get(key) and key not in typed] == []
    html = moved.get("runs/line/report.html")
    for key in [*(x.key for x in moved.list("runs/line/line-figures/")), "runs/line/report.html"]:
        moved.delete(key)
    again = run(pipeline, moved.url)
    assert again["steps"]["ran"] == []
    assert again["report_uri"] == moved.uri("runs/line/report.html")
    shutil.move(root, f"{root}-away")  # whatever is read is read of the copy
    try:
        done = subprocess.run(command("report", "line", store=moved.url), cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    finally:
        shutil.move(f"{root}-away", root)
    page = moved.get("runs/line/report.html")
    assert page.count(b"<img") == html.count(b"<img") > 0
    assert root.encode() not in page


def until(condition: Callable[[], bool], seconds: float = PATIENT_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_on_a_real_s3_server_and_with_orchestrator_and_service_killed_the_result_is_the_same(
    undisturbed: tuple[dict, ObjectStore], pipeline: Path, s3_url: str
) -> None:
    store = open_store(s3_url)
    first = subprocess.Popen(
        command("run", str(pipeline), store=store.url), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until(lambda: any("checkpoints" in x.key for x in store.list("models/generator/")) or first.poll() is not None)
    assert first.poll() is None, "the run ended before it could be killed"
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = subprocess.Popen(
        command("run", str(pipeline), store=store.url), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: bool(children(second.pid, "services.generator")) or second.poll() is not None)
    for service in children(second.pid, "services.generator"):
        os.kill(service, signal.SIGKILL)
    _, errors = second.communicate(timeout=PATIENT_S)
    assert second.returncode == 0, errors.decode()[-3000:]
    assert result(store) == undisturbed[0]


def children(parent: int, module: str) -> list[int]:
    """Processes below `parent` that run a module."""
    try:
        descendants = psutil.Process(parent).children(recursive=True)
        return [p.pid for p in descendants if p.is_running() and module in p.cmdline()]
    except psutil.NoSuchProcess:  # it may end between any two looks at it
        return []


def test_broken_input_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    (tmp_path / "empty").mkdir()
    (tmp_path / "one/good").mkdir(parents=True)
    Image.new("L", (32, 32)).save(tmp_path / "one/good/a.png")
    (tmp_path / "bad.yaml").write_text("data: {directory: x}\ngenerator: {resolution_px: 33}")
    for arguments, code, text in (
        (("ingest", str(tmp_path / "none"), "--name", "x"), 4, "there is no folder or table"),
        (("ingest", str(tmp_path / "empty"), "--name", "x"), 3, ""),
        (("ingest", str(tmp_path / "one"), "--name", "x"), 3, "at least 3 different parts"),
        (("ingest", str(tmp_path / "one"), "--name", "No Name"), 3, "name"),
        (("run", str(tmp_path / "bad.yaml")), 3, "resolution_px"),
        (("run", str(tmp_path / "none.yaml")), 4, "none.yaml"),
        (("report", "none"), 4, "none"),
    ):
        done = subprocess.run(command(*arguments, store=store), cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == code, (arguments, done.stderr)
        answer = json.loads(done.stdout)["error"]
        assert text in answer["message"]
        assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def report(undisturbed: tuple[dict, ObjectStore], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(undisturbed[1].get("runs/line/report.html"))
    return path


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        missing = "no Chromium on this machine: sudo apt-get install chromium, or `make browser` as root"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_everything_is_in_the_page_and_fits(report: Path, page: Page, width: int) -> None:
    asked, troubles = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report.as_uri())
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert troubles == []
    for section in SECTIONS:
        assert page.locator(f"#{section}").is_visible(), section
    sizes = page.eval_on_selector_all(
        "img:not(dd img)", "all => all.map(i => [i.complete, i.naturalWidth, i.alt.length])"
    )
    assert len(sizes) > 8
    assert all(complete and wide > 0 and alt > 0 for complete, wide, alt in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.eval_on_selector_all("section", "all => all.filter(s => s.scrollWidth > s.clientWidth).map(s => s.id)")
    assert cut == [], "what is too wide scrolls in a frame of its own, whose shadow says so"
    framed = page.eval_on_selector_all("table", "all => all.every(t => t.parentElement.classList.contains('scroll'))")
    assert framed
    wide = page.eval_on_selector_all(".scroll", "all => all.filter(s => s.scrollWidth > s.clientWidth).length")
    assert (wide > 0) == (width < 640)
    captions = page.eval_on_selector_all("figcaption", "all => all.map(c => parseFloat(getComputedStyle(c).fontSize))")
    assert min(captions) >= 13
    page.screenshot(path=report.with_name(f"report-{width}.png"), full_page=True)


def test_drawn_data_is_called_drawn(report: Path, page: Page) -> None:
    page.goto(report.as_uri())
    assert "Drawn data" in page.locator(".warning").all_inner_texts()[0]


def test_the_figures_of_the_table_are_those_of_the_run(
    report: Path, page: Page, undisturbed: tuple[dict, ObjectStore]
) -> None:
    page.goto(report.as_uri())
    row = page.locator("#comparison tr", has_text="f1").first.locator("td").all_inner_texts()
    summary = undisturbed[0]["summary"]
    for cell, arm in zip(row[1:3], ("baseline", "expanded"), strict=True):
        singles = summary["arms"][arm]["metrics"]["f1"]["singles"]  # of two cycles, which give no interval
        assert len(singles) == 2
        assert cell == ", ".join(f"{value * 100:.1f}%" for value in singles)
    assert page.locator("#verdict strong").inner_text() == summary["verdict"]
    said = page.locator("#verdict").inner_text()
    assert all(sentence in said for sentence in [*summary["doubts"], *summary["details"][1:]])


@pytest.mark.slow
def test_arms_that_are_added_to_a_run_repeat_nothing_and_are_in_table_curves_panels_and_verdict(
    undisturbed: tuple[dict, ObjectStore], pipeline: Path
) -> None:
    store = undisturbed[1]
    file = pipeline.with_name("arms.yaml")
    file.write_text(yaml.safe_dump({**yaml.safe_load(pipeline.read_text()), "arms": yaml.safe_load(ARMS)}))
    printed = run(file, store.url)

    own = {f"{arm}{step}" for arm in ("raw", "even") for step in ("-dataset", "", "-evaluate")}
    assert {*printed["steps"]["ran"]} == {*own, "explain", "report"}
    assert set(printed["models"]) == {"baseline", "expanded", "raw", "even", "generators"}
    assert set(printed["metrics"]) == {"baseline", "expanded", "raw", "even"}
    even = read_manifest(store, printed["arms"]["even"]["manifest_uri"])
    drawn = [line.label for line in even if line.split == "train"]
    assert (
        drawn.count("good")
        == drawn.count("defect")
        > len({line.file.sha256 for line in even if line.label == "defect"}) / 2
    )
    synthetic = [
        x for x in read_manifest(store, printed["arms"]["raw"]["manifest_uri"]) if x.origin.kind == "synthetic"
    ]
    assert {line.judgement.verdict for line in synthetic} == {""}, "as they were made: nobody has judged these lines"
    assert len(synthetic) == 2 * LINE["synthesis"]["quota"]

    page = store.get("runs/line/report.html").decode()
    table = page[page.index('id="comparison"') : page.index('id="curves"')]
    assert re.findall(r"</span>([^<]+)</th>", table) == TITLES
    assert [f"taken for, {title}" in table for title in TITLES] == [True] * 4
    assert len(re.findall(r"synthetic, as made, in unfiltered \(6\)", page)) == 2, "a sheet a label"
    panels = re.findall(r'alt="heatmap, ([^"]+)"', page)
    assert panels == TITLES * LINE["explain"]["limit"]
    assert [f"after temperature scaling, {title}" in page for title in TITLES] == [True] * 4
    for subject in ("the synthetic images", "the unfiltered synthetic images", "“drawn balanced”"):
        assert subject in printed["summary"]["verdict"].lower(), subject
    assert "augmentation 0.2" in printed["summary"]["arms"]["even"]["recipe"]
    summary = json.loads(store.get("runs/line/explain/summary.json"))
    assert ["moved" in model for model in summary["models"]] == [False, True, True, True]
    again = run(file, store.url)
    assert again["steps"]["ran"] == []
