"""An experiment's page in a real Chromium: on a phone, to a screen reader, and on paper, as a run's report."""

from pathlib import Path

import pypdfium2 as pdfium
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from defectory.storage.memory import MemoryStore
from orchestrator.proof.proven import PROOF
from tests.e2e.test_report import A4, MARGIN
from tests.unit.proof.test_experiment import Classifiers, arm, carried_out, photographs, spec_of

__all__ = ["photographs"]


@pytest.fixture(scope="module")
def file(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = MemoryStore()
    spec = spec_of(photographs, "real", "augmented", "more-real", *map(arm, ("noise", "oracle", "twin")))
    proven = carried_out(spec, Classifiers(store)).outputs[PROOF]
    folder = tmp_path_factory.mktemp("experiment")
    for name, uri in proven.files.items():
        (folder / name).write_bytes(store.get(store.key(uri)))
    path = folder / "report.html"
    path.write_bytes(store.get(store.key(proven.report_uri)))
    return path


@pytest.mark.parametrize("page", [375, 1280], indirect=True)
def test_axe_finds_nothing(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in violations] == []


@pytest.mark.parametrize("page", [375], indirect=True)
def test_on_a_phone_only_tables_and_charts_scroll_sideways(page: Page, file: Path) -> None:
    page.screenshot(path=file.with_name("phone.png"), full_page=True)
    beyond = page.eval_on_selector_all(
        "main *",
        "all => all.filter(e => e.getBoundingClientRect().right > 375 && !e.closest('.scroll'))"
        ".map(e => e.outerHTML.slice(0, 80))",
    )
    assert beyond == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_every_link_leads_to_a_file_beside_the_page(page: Page, file: Path) -> None:
    links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    assert len(links) > 6
    assert all((file.parent / link).is_file() for link in links)


def test_on_paper_it_is_a4_and_nothing_is_cut_off(page: Page, file: Path) -> None:
    paper = file.with_suffix(".pdf")
    page.pdf(path=paper, prefer_css_page_size=True, print_background=False)
    with pdfium.PdfDocument(paper) as document:
        for one in document:
            width, height = one.get_size()
            assert sorted((width, height)) == pytest.approx(sorted(A4), abs=1)
            text = one.get_textpage()
            boxes = [text.get_charbox(place) for place in range(text.count_chars())]
            inked = [box for box in boxes if box[2] > box[0]]
            assert min(box[0] for box in inked) >= MARGIN - 1
            assert max(box[2] for box in inked) <= width - MARGIN + 1
        assert f"{len(document)} / {len(document)}" in document[len(document) - 1].get_textpage().get_text_range()
