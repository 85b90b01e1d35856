"""The review page on a set as a whole: its scores, its map and the judge's reasons, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from bench.reviewable import write_reviewable
from defectory.storage import ObjectStore, open_store
from tests.e2e.reviewing import Review, mine, opened, order, press, ready, saved, until
from tests.patience import PATIENT_S

IMAGES, PHOTOGRAPHS = 600, 16  # of both labels together; of each


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('review')}/store")
    write_reviewable(store, "demo", IMAGES, photographs=PHOTOGRAPHS)
    return store


@pytest.fixture(scope="module")
def review(store: ObjectStore) -> Iterator[Review]:
    review = Review(store.url)
    yield review
    review.stop()


def counted(page: Page, label: str, score: str) -> tuple[int, int]:
    """What the dialog says of a score: (how many, of how many)."""
    cell = page.get_by_role("button", name=f"{score}, {label}:")
    expect(cell).to_be_visible(timeout=PATIENT_S * 1000)
    count, of = re.match(r"([\d,]+) of ([\d,]+)", cell.inner_text()).groups()
    return int(count.replace(",", "")), int(of.replace(",", ""))


def test_a_score_shows_the_pictures_that_it_counts(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Scores")
    press(page, "s")
    page.locator("#scored-set").select_option("made")
    expect(page.get_by_role("button", name="unrealistic, good:")).to_contain_text(f"of {IMAGES // 2}")
    count, of = counted(page, "good", "unrealistic")
    assert 0 < count < of
    page.get_by_role("button", name="unrealistic, good:").click()
    expect(page.locator("#count")).to_contain_text(f"of {count} pictures decided")
    expect(page.locator("#notice")).to_contain_text("the worst first")
    rows = order(page)
    assert len(rows) == count
    assert {"score=unrealistic", "of=made", "label=good"} <= set(page.url.partition("?")[2].split("&"))
    page.reload()
    ready(page)
    expect(page.locator("#count")).to_contain_text(f"of {count} pictures decided")
    press(page, "r")
    saved(page)
    assert [row for row, said in enumerate(mine(page)) if said] == [rows[0]]
    assert page.locator("select[name=score]").input_value() == "unrealistic"


def test_what_is_not_covered_is_photographs_about_which_nothing_is_decided(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Uncovered")
    press(page, "s")
    count, of = counted(page, "defect", "not covered")
    assert (0 < count < of, of) == (True, PHOTOGRAPHS)
    page.get_by_role("button", name="not covered, defect:").click()
    expect(page.locator("#count")).to_have_text(f"{count} photographs")
    assert all(row >= IMAGES for row in order(page))
    expect(page.locator("#cell-0")).to_have_class(re.compile("photograph"))
    until(page, "[...document.querySelectorAll('.cell img')].every(i => i.complete && i.naturalWidth > 0)")
    press(page, "a", "Control+a", "r")
    expect(page.locator("#saving")).to_have_text("nothing is decided about photographs")
    assert not any(mine(page))
    press(page, "Escape", "Enter")
    expect(page.locator("#large dl")).to_contain_text("photograph for training")
    expect(page.locator("#large dl")).to_contain_text(".png")
    press(page, "Escape", "l")
    expect(page.locator("#notice")).to_contain_text("48 pictures most like")


def test_a_lasso_chooses_what_is_inside(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Lasso")
    press(page, "o")
    plot = page.get_by_role("application")
    expect(plot).to_be_focused(timeout=PATIENT_S * 1000)
    until(page, "document.querySelector('.plot canvas').width > 300")
    box = plot.bounding_box()
    left, top, right, bottom = box["x"] + 2, box["y"] + 2, box["x"] + box["width"] - 2, box["y"] + box["height"] - 2
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(*corner)
    page.mouse.up()
    expect(page.locator("dialog")).to_contain_text(f"{IMAGES} pictures of this view and {2 * PHOTOGRAPHS} photographs")
    page.mouse.move(left, top)  # the left half
    page.mouse.down()
    middle = (left + right) / 2
    for corner in ((middle, top), (middle, bottom), (left, bottom)):
        page.mouse.move(*corner)
    page.mouse.up()
    until(page, f"!document.querySelector('dialog').textContent.includes('{IMAGES} pictures of')")
    inside = int(re.search(r"([\d,]+) pictures? of this view", page.locator("dialog").inner_text()).group(1))
    page.get_by_role("button", name="Show them").click()
    expect(page.locator("#count")).to_contain_text(f"of {inside} pictures decided")
    expect(page.locator("#count")).to_contain_text(f"{inside} selected")
    points = page.evaluate(
        "fetch('/api/map/points').then(a => a.arrayBuffer()).then(b => Array.from(new Float32Array(b)))"
    )
    across = points[0::2][:IMAGES]
    halfway = (min(points[::2]) + max(points[::2])) / 2
    assert abs(sum(x < halfway for x in across) - inside) <= 0.02 * IMAGES
    page.reload()
    ready(page)
    expect(page.locator("#count")).to_contain_text(f"of {inside} pictures decided")
    press(page, "r")
    saved(page)
    rejected = [row for row, said in enumerate(mine(page)) if said == 2]
    assert len(rejected) == inside
    assert max(across[row] for row in rejected) < halfway + 0.05


def test_a_box_is_moved_and_taken_by_keys_alone(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Box", "?label=good")
    press(page, "o")
    expect(page.get_by_role("application")).to_be_focused(timeout=PATIENT_S * 1000)
    until(page, "document.querySelector('.plot canvas').width > 300")
    press(page, *["ArrowLeft"] * 12, *["ArrowDown"] * 12, *["Shift+ArrowRight"] * 30, *["Shift+ArrowUp"] * 30)
    text = f"{IMAGES // 2} pictures of this view"
    expect(page.locator("dialog")).to_contain_text(text)
    press(page, "+", "-", "Enter")
    expect(page.locator("#notice")).to_contain_text("Inside the lasso")
    expect(page.locator("#count")).to_contain_text(f"of {IMAGES // 2} pictures decided")
    assert "lasso=" in page.url
    assert "label=good" in page.url
    expect(page.locator("#large")).to_be_hidden()
    press(page, "Escape")
    expect(page.locator("#notice")).to_be_hidden()
    assert "lasso" not in page.url


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Chromium, review: Review, width: int, scheme: str, tmp_path: Path) -> None:
    page = opened(chromium, review, "Axe", width=width, color_scheme=scheme, bypass_csp=True)
    press(page, "s")
    counted(page, "good", "memorised")
    axe(page, tmp_path / f"{width}-{scheme}-scores.png")
    press(page, "Escape", "o")
    expect(page.locator("dialog")).to_contain_text("Principal components", timeout=PATIENT_S * 1000)
    press(page, "ArrowLeft")
    axe(page, tmp_path / f"{width}-{scheme}-map.png")
    press(page, "Escape")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def axe(page: Page, picture: Path) -> None:
    page.wait_for_timeout(300)
    page.screenshot(path=picture)
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []


def test_a_dataset_without_a_judge_has_neither_scores_nor_map_nor_heat(chromium: Chromium, store: ObjectStore) -> None:
    review = Review(store.url, "demo.good.r1.judged")
    try:
        page = opened(chromium, review, "Unjudged")
        press(page, "s")
        expect(page.locator("dialog")).to_contain_text("No scores: nobody has scored these pictures")
        press(page, "Escape", "o")
        expect(page.locator("dialog")).to_contain_text("No map: nobody has scored these pictures")
        press(page, "Escape", "g")
        expect(page.locator(".missing")).to_contain_text("nobody has judged it")
        assert page.locator("select[name=score]").count() == 0
    finally:
        review.stop()


def judge_of(store: ObjectStore, input_px: int) -> None:
    """The run's judge, as if it were trained, for inputs of a size: heat has a cell for 32 pixels of their side."""
    from services.classifier.bundle import weights_bytes  # TensorFlow takes its time, and one test needs it
    from services.classifier.cards import write_card
    from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively

    architecture = ARCHITECTURE.model_copy(update={"input_px": input_px})
    weights = weights_bytes(lively(architecture, seed=5))  # of which something speaks for the first picture's label
    _, card = bundle(store, weights)
    write_card(store, card.model_copy(update={"architecture": architecture}))


@pytest.mark.parametrize("input_px", [96, 32])
def test_the_judges_reasons_are_shown_where_they_say_something(
    chromium: Chromium, tmp_path: Path, input_px: int
) -> None:
    store = open_store(f"file://{tmp_path}/store")
    write_reviewable(store, "demo", 20, photographs=5)
    judge_of(store, input_px)
    review = Review(store.url)  # which starts the explainer when it is asked for
    try:
        page = opened(chromium, review, "Heat")
        press(page, "g")
        expect(page.locator(".missing")).to_contain_text("The explainer is asked")
        expect(page.locator(".missing", has_text="is asked")).to_have_count(0, timeout=PATIENT_S * 1000)
        if input_px == 96:
            image = page.locator("#large .stage img")
            expect(image).to_have_attribute("alt", re.compile("^Grad-CAM of"))
            until(page, "document.querySelector('#large .stage img').naturalWidth > 0")
            page.screenshot(path=tmp_path / "heat.png")
        else:
            expect(page.locator(".missing")).to_have_text("No Grad-CAM: no heat shown: 1x1 cells are too coarse")
            assert page.locator("#large .stage img").count() == 0
    finally:
        review.stop()
