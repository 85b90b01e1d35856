"""The review page over a store in a folder, in a real Chromium: how soon it is usable, how fast it answers, its memory.

    python bench/review.py --images 50000
    python bench/review.py --images 5000 --pictures docs/results      the pictures of docs/review.md

Prints one JSON object. A page is usable when its first screen of thumbnails is there and a key does what it says.
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

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from bench.reviewable import write_reviewable
from defectory.storage import open_store

TOKEN = "a-token-for-the-benchmark"
VERDICTS = 200
SHOWN = "[...document.querySelectorAll('.cell img')].every(i => i.complete && i.naturalWidth > 0)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--store", help="folder with such a store already; else one is written and goes again")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the page, and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"file://{Path(arguments.store or folder).absolute()}"
        if arguments.store is None:
            write_reviewable(open_store(url), "demo", arguments.images)
        measured = measure(url, arguments.pictures)
    sys.stdout.write(json.dumps(measured) + "\n")


def measure(store: str, pictures: Path | None) -> dict[str, float]:
    """What the page and its server take; leaves pictures of the page where a folder is given."""
    began = time.monotonic()
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
            browser.close()
        memory = psutil.Process(server.pid).memory_info().rss
    finally:
        server.kill()
        server.wait()
    answered.sort()
    return {
        "images": ready["pictures"],
        "server_start_s": round(start_s, 2),
        "page_usable_s": round(usable_s, 2),
        "verdict_median_ms": round(statistics.median(answered), 1),
        "verdict_p99_ms": round(answered[int(0.99 * len(answered))], 1),
        "frame_median_ms": round(statistics.median(scrolled), 1),
        "frame_p95_ms": round(sorted(scrolled)[int(0.95 * len(scrolled))], 1),
        "server_mb": round(memory / 1e6),
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


def take_pictures(page: Page, folder: Path) -> None:
    """The grid with some decisions, and one picture large."""
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


def _save(page: Page, path: Path) -> None:
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.save(path, "WEBP", quality=60, method=6)


if __name__ == "__main__":
    main()
