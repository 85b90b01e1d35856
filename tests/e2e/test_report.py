"""A run's report in a real Chromium: on a phone, by keyboard, to a screen reader, and on paper."""

from pathlib import Path

import pypdfium2 as pdfium
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from orchestrator.pipeline.report_keys import files_folder
from orchestrator.report import build_report
from tests.unit.report.finished_run import FOUR, finished_run, with_many_settings

A4 = (595.3, 841.9)  # points: 210 × 297 mm
MARGIN = 15 / 25.4 * 72  # points


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    report = build_report(with_many_settings(finished_run(FOUR)), "run")
    (folder / files_folder("run")).mkdir()
    for name, data in report.files().items():
        (folder / files_folder("run") / name).write_bytes(data)
    path = folder / "report.html"
    path.write_bytes(report.html)
    return path


@pytest.mark.parametrize("page", [375, 1280], indirect=True)
def test_axe_finds_nothing_with_all_opened_or_shut(page: Page) -> None:
    for opened in (False, True):
        if opened:
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in violations] == []


@pytest.mark.parametrize("page", [375], indirect=True)
def test_on_a_phone_only_tables_and_charts_scroll_sideways(page: Page, file: Path) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    beyond = page.eval_on_selector_all(
        "main *",
        "all => all.filter(e => e.getBoundingClientRect().right > 375 && !e.closest('.scroll'))"
        ".map(e => e.outerHTML.slice(0, 80))",
    )
    assert beyond == []
    assert page.eval_on_selector_all(".scroll", "all => all.filter(s => s.scrollWidth > s.clientWidth).length") > 0
    page.screenshot(path=file.with_name("phone.png"), full_page=True)


def test_an_image_is_reached_opened_and_left_by_keys_alone(page: Page, file: Path) -> None:
    tile = page.locator("#images .tile", has_text="run.good/1").first
    for _ in range(200):
        page.keyboard.press("Tab")
        if tile.evaluate("one => one.contains(document.activeElement)"):
            break
    expect(tile.locator("dl")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(tile.locator("dl")).to_be_visible()
    assert tile.locator("dl").bounding_box()["width"] > 600, "it takes the width of the page"
    page.screenshot(path=file.with_name("lineage.png"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the photograph that it is nearest to
    expect(page.locator(":target")).to_be_visible()
    expect(page.locator(":target")).to_contain_text("photograph")


def test_every_image_is_there_and_says_what_it_is_where_no_words_beside_it_do(page: Page) -> None:
    images = page.eval_on_selector_all("img", "all => all.map(i => [i.naturalWidth > 0, !!i.closest('dd'), i.alt])")
    assert [alt for drawn, _, alt in images if not drawn] == []
    assert all(in_words != bool(alt) for _, in_words, alt in images)


def test_what_the_page_links_to_lies_beside_it_and_is_saved_by_a_click(page: Page, file: Path) -> None:
    links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    beside = [link for link in links if not link.startswith("#")]
    assert len(beside) > 6
    assert all((file.parent / link).is_file() for link in beside)


def test_on_paper_it_is_a4_nothing_is_cut_off_and_heads_are_repeated(page: Page, file: Path) -> None:
    page.locator("#images .tile summary").first.click()
    paper = file.with_suffix(".pdf")
    page.pdf(path=paper, prefer_css_page_size=True, print_background=False)
    with pdfium.PdfDocument(paper) as document:
        sizes = [tuple(round(side, 1) for side in one.get_size()) for one in document]
        texts = [one.get_textpage() for one in document]
        # pdfium takes a page of narrow cells for vertical writing, and puts each letter on a line of its own.
        pages = ["".join(text.get_text_range().split()) for text in texts]
        for (width, _), text in zip(sizes, texts, strict=True):
            boxes = [text.get_charbox(place) for place in range(text.count_chars())]
            inked = [box for box in boxes if box[2] > box[0]]
            assert min(box[0] for box in inked) >= MARGIN - 1
            assert max(box[2] for box in inked) <= width - MARGIN + 1
    for size in sizes:
        assert sorted(size) == pytest.approx(sorted(A4), abs=1)
    assert sizes[0][0] < sizes[0][1], "upright but for what is wide"
    settings = [text for text in pages if "filler." in text]
    assert len(settings) >= 2, "a table of two pages or more"
    assert all("setting" in text and "value" in text for text in settings), "each with the table's head"
    whole = " ".join(pages)
    for absent in ("PNG", "CSV", "drawnwith"):
        assert absent not in whole.split("Settingsandseeds")[0], f"{absent}: what is clicked on is not printed"
    assert "Decision:" in pages[-1]
    assert "Signature" in pages[-1]
    assert "run.expanded/1" in pages[-1]
    assert f"{len(pages)}/{len(pages)}" in pages[-1]


def test_the_block_to_sign_is_on_paper_only(page: Page) -> None:
    expect(page.locator("#signature .sign")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator("#signature .sign")).to_be_visible()
    expect(page.locator("#curves .files").first).to_be_hidden()
