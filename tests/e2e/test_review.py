"""The review page in a real browser, over the command as a person starts it: by keyboard, by two, through kills."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from bench.reviewable import write_reviewable
from defectory.datasets.manifest import read_manifest
from defectory.storage import ObjectStore, open_store
from tests.e2e.reviewing import Review, mine, opened, order, press, ready, saved, until
from tests.unit.review.running import TOKEN, Browser

IMAGES = 5000
KILLS, FEW = 50, 200  # after each a server starts anew, and reads all of its images


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('review')}/store")
    write_reviewable(store, "demo", IMAGES, photographs=16)
    return store


@pytest.fixture(scope="module")
def review(store: ObjectStore) -> Iterator[Review]:
    review = Review(store.url)
    yield review
    review.kill()


def test_before_anybody_has_signed_in_nothing_is_shown_as_decided(chromium: Chromium, review: Review) -> None:
    page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{review.origin}/#token={TOKEN}")
    expect(page.get_by_label("Your name")).to_be_visible()
    bar = page.locator("#progress")
    assert bar.evaluate("bar => bar.offsetWidth") > 100
    assert bar.evaluate("bar => bar.firstElementChild.offsetWidth") == 0


def test_a_person_decides_by_keyboard_alone_and_it_survives_a_reload(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Keyboard")
    rows = order(page)
    press(page, "a", "r", "ArrowDown", "ArrowRight", "a")
    saved(page)
    columns = len({box["x"] for box in boxes(page)})
    verdicts = mine(page)
    assert [verdicts[row] for row in (rows[0], rows[1], rows[2 + columns + 1])] == [1, 2, 1]
    assert sum(v > 0 for v in verdicts) == 3
    page.reload()
    ready(page)
    assert mine(page) == verdicts
    expect(page.locator("#count")).to_contain_text("3 of 5,000 pictures decided")
    focus = page.locator(".cell.focus")
    expect(focus).to_have_id("cell-2")  # the first that is not decided
    press(page, "n")
    expect(focus).to_have_id("cell-3")
    press(page, "Home", "p")
    expect(focus).to_have_id(f"cell-{IMAGES - 1}")


def boxes(page: Page) -> list[dict]:
    return page.eval_on_selector_all(".cell", "all => all.map(c => c.getBoundingClientRect().toJSON())")


def test_a_range_is_decided_at_once_and_undone_at_once(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Range", "?label=good")
    rows = order(page)
    press(page, "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowRight")
    expect(page.locator("#count")).to_contain_text("selected")
    press(page, "r")
    saved(page)
    rejected = [row for row, verdict in enumerate(mine(page)) if verdict == 2]
    columns = len({box["x"] for box in boxes(page)})
    assert sorted(rejected) == sorted(rows[: 2 * columns + 2])
    press(page, "Control+a", "a")
    saved(page)
    assert sum(v == 1 for v in mine(page)) == len(rows) == IMAGES // 2
    press(page, "u")
    expect(page.locator("#saving")).to_contain_text("took back what was said of 2,500 pictures")
    assert [row for row, verdict in enumerate(mine(page)) if verdict] == sorted(rejected)
    press(page, "u")
    expect(page.locator("#count")).to_contain_text("0 of 2,500")
    assert not any(mine(page))


def test_a_picture_gets_another_label_by_one_key(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Label", "?label=good")
    rows = order(page)
    press(page, "1", "2")  # defect; good, which it is already
    saved(page)
    assert [mine(page)[row] for row in rows[:2]] == [1 + 4 * 1, 1]
    expect(page.locator("#cell-0")).to_have_class(re.compile("relabelled"))
    expect(page.locator("#cell-0 .name")).to_have_text("defect")


def test_all_like_one_are_selected_and_decided(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Alike")
    first = order(page)[0]
    press(page, "l")
    expect(page.locator("#notice")).to_contain_text("48 pictures most like")
    expect(page.locator("#count")).to_contain_text("48 selected")
    press(page, "r")
    saved(page)
    assert sum(v == 2 for v in mine(page)) == 48
    assert mine(page)[first] == 2
    press(page, "Escape")
    expect(page.locator("#count")).to_contain_text("48 of 5,000")
    assert "alike" not in page.url


def test_layers_change_by_key_and_zoom_goes_to_pixels(chromium: Chromium, review: Review, store: ObjectStore) -> None:
    page = opened(chromium, review, "Layers")
    press(page, "Enter")
    image = page.locator("#large .stage img")
    expect(image).to_have_attribute("alt", re.compile("^picture of"))
    seen = set()
    for key, layer in (("w", "nearest"), ("e", "difference"), ("q", "picture")):
        press(page, key)
        expect(image).to_have_attribute("src", re.compile(f"/{layer}$"))
        until(page, "document.querySelector('#large .stage img').naturalWidth > 0")
        seen.add(page.evaluate("fetch(document.querySelector('#large .stage img').src).then(a => a.text())"))
    assert len(seen) == 3
    press(page, "m")
    expect(page.locator(".missing")).to_have_text("This picture has no mask.")
    press(page, "q", "z")
    until(page, "document.querySelector('#large .stage img').width === 4 * 64")
    press(page, "+")
    until(page, "document.querySelector('#large .stage img').width === 8 * 64")
    press(page, "a")  # decides, and goes on to the next one, still large
    saved(page)
    expect(page.locator("#described")).to_contain_text("2 of 5,000")
    press(page, "Escape")
    expect(page.locator("#large")).to_be_hidden()


def test_views_are_addresses(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Views")
    page.get_by_role("group", name="Label").get_by_label("good").check()
    page.get_by_role("group", name="Its reason").get_by_label("copy").check()
    until(
        page, "document.querySelector('#count').textContent.includes(' of ') && location.search.includes('reason=copy')"
    )
    rows = order(page)
    expect(page.locator("#count")).to_contain_text(f"of {len(rows)} pictures")
    address = page.url
    assert "token" not in address
    page.go_back()
    expect(page.locator("#count")).to_contain_text("of 2,500 pictures")
    page.goto(address)
    ready(page)
    assert order(page) == rows
    assert page.get_by_role("group", name="Its reason").get_by_label("copy").is_checked()


def test_only_what_is_in_sight_exists_however_far_one_scrolls(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Scroll")
    most = 0
    for _ in range(12):
        page.evaluate("document.querySelector('#grid').scrollTop += 5000")
        page.wait_for_timeout(30)
        most = max(most, page.locator(".cell").count())
    assert most < 150
    press(page, "End")
    expect(page.locator(f"#cell-{IMAGES - 1}")).to_be_in_viewport()
    until(page, "[...document.querySelectorAll('.cell img')].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("document.querySelectorAll('*').length") < 1200


def test_two_reviewers_at_once_and_what_they_differ_on(chromium: Chromium, review: Review) -> None:
    one, other = (opened(chromium, review, name, "?sort=order") for name in ("Two A", "Two B"))
    for _ in range(5):  # of ten, two differently
        press(one, "a")
        press(other, "a")
    for _ in range(5):
        press(one, "r")
    press(other, "a", "a", "r", "r", "r")
    saved(one)
    saved(other)
    assert [mine(one)[row] for row in range(10)] == [1] * 5 + [2] * 5
    assert [mine(other)[row] for row in range(10)] == [1] * 7 + [2] * 3
    press(one, "i")
    pair = one.locator("dialog p", has_text="Two A and Two B")
    expect(pair).to_contain_text("kappa 0.60 (95%: ")  # by hand: (0.8 - 0.5) / (1 - 0.5)
    expect(pair).to_contain_text("the same on 8 of 10")
    pair.get_by_role("button").click()
    expect(one.locator("#count")).to_contain_text("of 2 pictures")
    assert order(one) in ([5, 6], [6, 5])


def test_a_blind_test_by_keys(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Blind")
    page.get_by_role("button", name="Blind test").click()
    page.locator("#blind-count").fill("10")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("dialog")).to_contain_text("picture 1 of 10")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".result")).to_contain_text("5 of 10 right, 50.0% (95%: 18.7% to 81.3%)")


def test_keys_are_shown_and_can_be_changed(chromium: Chromium, review: Review) -> None:
    page = opened(chromium, review, "Keys")
    press(page, "?")
    page.get_by_role("button", name=re.compile("^Key for: accept,")).click()
    press(page, "f")
    press(page, "Escape")
    press(page, "a")
    press(page, "f")
    saved(page)
    assert sum(v == 1 for v in mine(page)) == 1
    page.reload()
    ready(page)
    expect(page.locator("#verdicts .accept kbd")).to_have_text("f")


def test_what_the_server_did_not_keep_is_said_and_sent_when_it_is_back(chromium: Chromium, store: ObjectStore) -> None:
    first = Review(store.url)
    page = opened(chromium, first, "Away")
    press(page, "a")
    saved(page)
    first.kill()
    press(page, "r", "r")
    expect(page.locator("#saving")).to_contain_text("2 pictures not saved yet")
    second = Review(store.url, port=first.port)
    try:
        saved(page)
        assert sorted(v for v in mine(page) if v) == [1, 2, 2]
    finally:
        said = second.stop()
    assert said.count("what was decided: file://") == 2


@pytest.mark.slow
def test_no_decision_that_was_answered_for_is_lost_in_fifty_kills(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    write_reviewable(store, "demo", FEW, photographs=6)
    kept: dict[int, int] = {}
    port, number = 0, 0
    for kill in range(KILLS):
        review = Review(store.url, port=port)
        port = review.port
        browser = Browser(port).sign_in("Killed")
        status, _, content = browser.send("GET", "/api/mine")
        assert status == 200
        for row, said in kept.items():
            assert int.from_bytes(content[2 * row : 2 * row + 2], "little") == said, f"row {row} before kill {kill}"
        deadline = time.monotonic() + 0.02 * (kill % 10) + 0.02
        while time.monotonic() < deadline:
            row = number % FEW
            verdict = 1 + row % 2  # ever the same: one whose answer a kill took may count, and may not
            if kill % 2 and time.monotonic() > deadline - 0.02:
                review.process.kill()  # while one is on its way
            try:
                browser.decide((row, verdict, 0), batch=f"{number:032x}")
            except (OSError, AssertionError):
                break
            kept[row] = verdict
            number += 1
        review.kill()
    assert number > KILLS


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Chromium, review: Review, width: int, scheme: str, tmp_path: Path) -> None:
    page = opened(
        chromium, review, "Axe", width=width, color_scheme=scheme, bypass_csp=True
    )  # axe is put into the page
    press(page, "a", "r", "x")
    page.wait_for_timeout(300)
    for keys in ((), ("Enter",), ("Escape", "?"), ("Escape", "i")):
        press(page, *keys)
        page.wait_for_timeout(300)
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == [], keys
        page.screenshot(path=tmp_path / f"{width}-{scheme}-{len(keys)}.png")


@pytest.mark.parametrize(("width", "scale"), [(375, 1), (640, 2)])  # 1280 px at 200% are 640
def test_nothing_is_cut_off_when_it_is_narrow_or_enlarged(
    chromium: Chromium, review: Review, width: int, scale: int
) -> None:
    page = opened(chromium, review, "Narrow", width=width, device_scale_factor=scale)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#grid").bounding_box()["height"] > 200
    for name in ("Accept", "Reject", "Undo", "Filters", "Statistics"):
        one = page.get_by_role("button", name=name, exact=False).first
        one.scroll_into_view_if_needed()
        expect(one).to_be_in_viewport()
    press(page, "a")
    saved(page)


def test_scripts_in_labels_and_names_do_not_run(chromium: Chromium, store: ObjectStore) -> None:
    from dataclasses import replace

    from defectory.datasets.manifest import write_dataset
    from defectory.datasets.manifest_line import Origin

    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    lines = read_manifest(store, store.uri("datasets/demo/manifest.jsonl"))
    lines = [replace(x, label=hostile, kind=hostile, origin=Origin(source=hostile)) for x in lines]
    write_dataset(store, "hostile", lines, {})
    review = Review(store.url, "hostile")
    try:
        page = opened(chromium, review, hostile[:60])
        press(page, "a", "Enter")
        expect(page.locator("#large dl")).to_contain_text("onerror")
        press(page, "Escape", "i")
        expect(page.locator("dialog")).to_contain_text("<img")
        press(page, "Escape", "l")
        expect(page.locator("#notice")).to_contain_text("nobody has scored")
        assert page.title() == "Review of hostile"
        assert page.locator("#main script, #main img[onerror], dialog img").count() == 0
    finally:
        review.kill()
