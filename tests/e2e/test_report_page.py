"""The report in a real browser: nothing from outside, nothing broken, nothing cut off."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from defectory.storage import ObjectStore

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SECTIONS = ("verdict", "comparison", "curves", "reliability", "counts", "images", "reasons", "settings")


@pytest.fixture(scope="module")
def report(undisturbed: tuple[dict, ObjectStore], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(undisturbed[1].get("runs/line/report.html"))
    return path


@pytest.fixture
def page() -> Iterator[Page]:
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
    sizes = page.eval_on_selector_all("img", "all => all.map(i => [i.complete, i.naturalWidth, i.alt.length])")
    assert len(sizes) > 8
    assert all(complete and wide > 0 and alt > 0 for complete, wide, alt in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
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
        assert cell.startswith(f"{summary[arm]['f1']['mean'] * 100:.1f}%")
    assert page.locator("#verdict").inner_text() == summary["verdict"]
