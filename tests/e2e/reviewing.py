"""`defectory review` as a process, and a page of it in a real Chromium."""

import json
import os
import signal
import subprocess
import sys
import time

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from tests.e2e.line import ROOT
from tests.patience import PATIENT_S
from tests.unit.review.running import TOKEN

expect.set_options(timeout=60_000)  # five seconds are too few for a busy machine


class Review:
    """`defectory review` as a process."""

    def __init__(self, store: str, name: str = "demo", port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.cli.main", "review", name, "--store", store, "--port", str(port),
             "--json"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"DEFECTORY_REVIEW_TOKEN": TOKEN},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.url = json.loads(line)["url"]
        self.port = int(self.url.split(":")[2].split("/")[0])
        self.origin = self.url.split("/#")[0]

    def stop(self) -> str:
        """Stop as by Ctrl-C; what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=PATIENT_S)[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def opened(
    chromium: Chromium, review: Review, name: str, query: str = "", width: int = 1280, **options: object
) -> Page:
    """A page of a browser of its own, where somebody has signed in; it may ask for nothing elsewhere."""
    page = chromium.new_context(viewport={"width": width, "height": 800}, **options).new_page()
    page.set_default_timeout(PATIENT_S * 1000)
    page.on("request", lambda request: asked(request.url, review.origin))
    page.goto(f"{review.origin}/{query}#token={TOKEN}")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    ready(page)
    return page


def asked(url: str, origin: str) -> None:
    assert url.startswith(origin + "/"), f"the page asks {url}"


def ready(page: Page) -> None:
    page.wait_for_selector("body[data-ready]")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def saved(page: Page) -> None:
    expect(page.locator("#saving")).to_have_text("saved", timeout=PATIENT_S * 1000)


def mine(page: Page) -> list[int]:
    """row -> verdict + 4 * label, as the server has it."""
    return page.evaluate("fetch('/api/mine').then(a => a.arrayBuffer()).then(b => Array.from(new Uint16Array(b)))")


def order(page: Page) -> list[int]:
    return page.evaluate(
        "fetch('/api/view' + location.search).then(a => a.arrayBuffer()).then(b => Array.from(new Uint32Array(b)))"
    )


def until(page: Page, condition: str) -> None:
    """Wait for a condition in the page, which Playwright's own way would evaluate against the page's policy."""
    deadline = time.monotonic() + PATIENT_S
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)
