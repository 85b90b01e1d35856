"""The review page over a store in a folder, in a real Chromium: how soon it is usable, how fast it answers, its memory.

    python -m bench.review --images 50000 --record
    python -m bench.review --images 5000 --pictures docs/results      the pictures of docs/review.md

Prints one JSON object. A page is usable when its first screen of thumbnails is there and a key does what it says.
Scores and map are of features as large as a judge's; the server's memory is looked at throughout, its most is said.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from bench.record import record
from bench.reviewable import write_reviewable
from defectory.storage import open_store

TOKEN = "a-token-for-the-benchmark"
VERDICTS = 200
CHANNELS = 1280  # of MobileNetV2
LIMITS = {"page_usable_s": 2.0, "verdict_p99_ms": 50.0, "server_mb": 300.0}
WHAT = {
    "server_start_s": "server started, s",
    "page_usable_s": "page usable after a reload, s",
    "verdict_median_ms": "verdict answered, median, ms",
    "verdict_p99_ms": "verdict answered, 99th percentile, ms",
    "frame_median_ms": "between frames while scrolling, median, ms",
    "frame_p95_ms": "the same, 95th percentile, ms",
    "map_s": "map of the features drawn, s",
    "lasso_frame_ms": "between frames while a lasso is drawn, median, ms",
    "scores_s": "four scores of all that were made, s",
    "verdict_while_scoring_p99_ms": "verdict answered meanwhile, 99th percentile, ms",
    "server_mb": "server's memory at most, MB",
    "load": "what else ran on the machine before, as processors' work",
}
ONE_FRAME = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
SHOWN = "[...document.querySelectorAll('.cell img')].every(i => i.complete && i.naturalWidth > 0)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--store", help="folder with such a store already; else one is written and goes again")
    parser.add_argument("--record", action="store_true", help="write the table into docs/benchmarks.md")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the page, and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"file://{Path(arguments.store or folder).absolute()}"
        if arguments.store is None:
            write_reviewable(open_store(url), "demo", arguments.images, photographs=200, channels=CHANNELS)
        measured = measure(url, arguments.pictures)
    sys.stdout.write(json.dumps(measured) + "\n")
    if arguments.record:
        rows = [
            [text, str(measured[name]), f"{LIMITS[name]:g}" if name in LIMITS else ""] for name, text in WHAT.items()
        ]
        command = f"python -m bench.review --images {arguments.images} --record"
        record(f"Review of {arguments.images:,} images", command, ["what", "measured", "limit"], rows,
               "A store in a folder, 200 photographs of each label, features of 1,280 channels; Chromium beside it.",
               ("numpy", "starlette", "uvicorn"))  # fmt: skip


def measure(store: str, pictures: Path | None) -> dict[str, float]:
    """What the page and its server take; leaves pictures of the page where a folder is given."""
    load, began = os.getloadavg()[0], time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli.main", "review", "demo", "--store", store, "--port", "0", "--json"],
        stdout=subprocess.PIPE, env=os.environ | {"DEFECTORY_REVIEW_TOKEN": TOKEN},
    )  # fmt: skip
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        start_s = time.monotonic() - began
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(600_000)
            page.goto(ready["url"])
            page.fill("#name", "Anna")
            page.keyboard.press("Enter")
            page.wait_for_selector("body[data-ready]")
            if pictures is not None:
                take_pictures(page, pictures)
                return {"images": ready["pictures"]}
            usable_s = usable(page)
            answered = verdicts(page)
            scrolled = scroll(page)
            map_s, lasso = draw_map(page)
            scores_s, meanwhile = score(page)
            browser.close()
        memory = most_memory(server.pid)
    finally:
        server.kill()
        server.wait()
    return {
        "images": ready["pictures"],
        "server_start_s": round(start_s, 2),
        "page_usable_s": round(usable_s, 2),
        "verdict_median_ms": round(statistics.median(answered), 1),
        "verdict_p99_ms": round(at_99(answered), 1),
        "frame_median_ms": round(statistics.median(scrolled), 1),
        "frame_p95_ms": round(sorted(scrolled)[int(0.95 * len(scrolled))], 1),
        "map_s": round(map_s, 2),
        "lasso_frame_ms": round(statistics.median(lasso), 1),
        "scores_s": round(scores_s, 1),
        "verdict_while_scoring_p99_ms": round(at_99(meanwhile), 1),
        "server_mb": round(memory / 1e6),
        "load": round(load, 1),
    }


def usable(page: Page) -> float:
    """Seconds of a reload, until a person can look and decide."""
    began = time.monotonic()
    page.reload()
    page.wait_for_selector("body[data-ready]")
    while not page.evaluate(SHOWN):
        page.wait_for_timeout(10)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#cell-1.focus")
    return time.monotonic() - began


def verdicts(page: Page) -> list[float]:
    """Milliseconds in which the server keeps and answers a verdict, one after the other, as the browser has them."""
    page.evaluate("performance.clearResourceTimings(); performance.setResourceTimingBufferSize(100000)")
    for _ in range(VERDICTS):
        page.keyboard.press("a")
    while page.locator("#saving").inner_text() != "saved":
        page.wait_for_timeout(20)
    times: list[float] = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/api/decisions')).map(e => e.duration)"
    )
    return times


def scroll(page: Page) -> list[float]:
    """Milliseconds between frames while the grid is scrolled by a third of a screen a frame."""
    times: list[float] = page.evaluate(
        """() => new Promise((resolve) => {
          const grid = document.querySelector('#grid'), times = [];
          let last = performance.now();
          const step = (now) => {
            times.push(now - last);
            last = now;
            grid.scrollTop += grid.clientHeight / 3;
            if (times.length < 240) requestAnimationFrame(step); else resolve(times.slice(1));
          };
          requestAnimationFrame(step);
        })"""
    )
    return times


def draw_map(page: Page) -> tuple[float, list[float]]:
    """(seconds until the map is drawn, milliseconds between frames while a lasso is drawn)"""
    began = time.monotonic()
    page.keyboard.press("o")
    page.wait_for_selector(".plot canvas")
    while not page.evaluate("document.querySelector('.plot canvas').width > 300"):
        page.wait_for_timeout(10)
    page.evaluate(ONE_FRAME)
    map_s = time.monotonic() - began
    times: list[float] = page.evaluate(
        """() => new Promise((resolve) => {
          const plot = document.querySelector('.plot'), box = plot.getBoundingClientRect(), times = [];
          const send = (type, at) => plot.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1,
            clientX: box.left + box.width * (0.5 + 0.4 * Math.cos(at / 20)),
            clientY: box.top + box.height * (0.5 + 0.4 * Math.sin(at / 20)) }));
          plot.setPointerCapture = () => {};
          send('pointerdown', 0);
          let last = performance.now();
          const step = (now) => {
            times.push(now - last);
            last = now;
            send('pointermove', times.length);
            if (times.length < 120) requestAnimationFrame(step); else { send('pointerup', 0); resolve(times.slice(1)); }
          };
          requestAnimationFrame(step);
        })"""
    )
    page.keyboard.press("Escape")
    return map_s, times


def score(page: Page) -> tuple[float, list[float]]:
    """(seconds of the scores of all that were made, milliseconds of verdicts meanwhile)"""
    began = time.monotonic()
    page.evaluate("fetch('/api/scores?of=made')")
    answered = verdicts(page)
    while page.evaluate("fetch('/api/scores?of=made').then((a) => a.json()).then((a) => a.done)") is not None:
        page.wait_for_timeout(100)
    return time.monotonic() - began, answered


def at_99(times: list[float]) -> float:
    """Their 99th percentile."""
    return sorted(times)[int(0.99 * len(times))]


def most_memory(pid: int) -> float:
    """Bytes that a process has had resident at most, as Linux counts them."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024.0 * int(status.partition("VmHWM:")[2].split()[0])


def take_pictures(page: Page, folder: Path) -> None:
    """The grid with some decisions, one picture large, and a lasso on the map."""
    page.emulate_media(color_scheme="light")
    page.keyboard.press("Home")
    for key in (*["a", "a", "r", "1", "a", "2", "r", "a"], "ArrowDown", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_timeout(1500)
    _save(page, folder / "review-grid.webp")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    page.wait_for_timeout(1500)
    _save(page, folder / "review-large.webp")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    page.wait_for_selector(".plot canvas")
    page.wait_for_timeout(1500)
    box = page.locator(".plot").bounding_box()
    assert box is not None
    corners = [(0.52, 0.15), (0.85, 0.1), (0.93, 0.5), (0.75, 0.85), (0.55, 0.6)]
    places = [(box["x"] + box["width"] * across, box["y"] + box["height"] * down) for across, down in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()
    page.wait_for_timeout(300)
    _save(page, folder / "review-map.webp")


def _save(page: Page, path: Path) -> None:
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.save(path, "WEBP", quality=60, method=6)


if __name__ == "__main__":
    main()
