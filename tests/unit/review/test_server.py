"""The review's server over real HTTP: what it answers, and to whom it does not."""

import io
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.reviewable import write_reviewable
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import Origin
from defectory.errors import InvalidInput
from defectory.storage.memory import MemoryStore
from orchestrator.review.access import CONTENT_SECURITY_POLICY
from orchestrator.review.serving import Address, listen
from tests.unit.review.running import TOKEN, Browser, served

HOSTILE = "<script>alert(1)</script>\"'&`${x}"


@pytest.fixture
def port(store: MemoryStore) -> Iterator[int]:
    with served(store, "demo") as port:
        yield port


@pytest.fixture
def anna(port: int) -> Browser:
    return Browser(port).sign_in("Anna")


def test_what_is_decided_is_there_for_the_next_server(store: MemoryStore) -> None:
    with served(store, "demo") as port:
        Browser(port).sign_in("Anna").decide((3, 1, 0), (4, 2, 0), (5, 1, 2), batch="a" * 32)
    with served(store, "demo") as port:
        status, _, content = Browser(port).sign_in("Anna").send("GET", "/api/mine")
        assert status == 200
        assert np.frombuffer(content, "<u2")[:7].tolist() == [0, 0, 0, 1, 2, 1 + 4 * 2, 0]
        assert Browser(port).sign_in("Ben").send("GET", "/api/mine")[2] == bytes(40)


def test_views_and_rows_are_those_of_the_subject(anna: Browser) -> None:
    order = np.frombuffer(anna.send("GET", "/api/view?label=good&sort=order")[2], "<u4")
    assert order.tolist() == list(range(10, 20))
    (row,) = anna.get("/api/rows?rows=10")["rows"]
    assert (row["label"], row["layers"]) == ("good", ["picture", "nearest", "difference", "heat"])
    status, _, content = anna.send("GET", "/api/view?colour=red&confidence_from=x")
    assert status == 400
    assert {"colour", "confidence_from"} <= set(json.loads(content)["fields"])


def test_pictures_come_with_their_type_and_are_kept_by_the_browser(anna: Browser) -> None:
    for path in ("/thumbnail/{}/0", "/layer/{}/0/picture", "/layer/{}/0/difference"):
        status, headers, content = anna.send("GET", path.format(anna.generation))
        assert (status, headers["content-type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(content)).size == (32, 32)
        assert "immutable" in headers["cache-control"]
        assert anna.send("GET", path.format("another"))[0] == 404


def test_a_page_of_other_pictures_decides_nothing(anna: Browser, store: MemoryStore) -> None:
    status, _, content = anna.send(
        "POST", "/api/decisions", {"generation": "old", "batch": "a" * 32, "changes": [[0, 1, 0]]}
    )
    assert (status, "nothing was decided" in json.loads(content)["error"]) == (409, True)
    assert [info.key for info in store.list() if "/reviews/" in info.key] == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'{"generation": "x"}', b'{"batch": "../../x", "changes": [[0, 1, 0]]}',
        b'{"changes": [[0, 1]]}', b"\xff\xfe", b'{"changes": []}', b"null", b'{"changes": [[1e99, 1, 0]]}',
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_in_a_sentence(anna: Browser, body: bytes) -> None:
    status, _, content = anna.send("POST", "/api/decisions", body)
    assert status == 400
    assert json.loads(content)["error"]


def test_an_answer_waits_for_no_acknowledgement_of_its_head() -> None:
    with (
        listen(Address("127.0.0.1", 0, (), "x" * 16)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_nobody_gets_in_without_the_token(port: int) -> None:
    stranger = Browser(port)
    for path in ("/api/subject", "/api/view", "/api/mine", "/thumbnail/x/0", "/layer/x/0/picture", "/blind/x/0"):
        assert stranger.send("GET", path)[0] == 401, path
    for path in ("/api/decisions", "/api/undo", "/api/documents", "/api/blind", "/api/blind/x"):
        assert stranger.send("POST", path, {})[0] == 401, path
    for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", "ä"):
        assert stranger.send("POST", "/api/session", {"token": token, "name": "Anna"})[0] == 403


def test_nobody_signs_in_as_another(port: int) -> None:
    anna, ben = Browser(port).sign_in("Anna"), Browser(port)
    name, _, signature = anna.cookie.partition("=")[2].partition(":")
    cookie = anna.cookie.partition("=")[0]
    for forged in (
        f"Ben:{signature}",
        name,
        f"{name}:",
        f":{signature}",
        f"{name}:{'0' * 64}",
        "%",
        "\x01",
        "a" * 9000,
    ):
        ben.cookie = f"{cookie}={forged}"
        assert ben.send("GET", "/api/subject")[0] in (400, 401), forged


def test_the_cookie_is_for_this_page_alone(port: int) -> None:
    _, headers, _ = Browser(port).send("POST", "/api/session", {"token": TOKEN, "name": "Anna"})
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in headers["set-cookie"]
    assert str(port) in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"}, {"Host": "127.0.0.1:1"}, {"Host": "127.0.0.1.evil.example:80"}, {"Host": ""},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ],
)  # fmt: skip
def test_other_hosts_and_other_sites_get_nothing(anna: Browser, headers: dict[str, str]) -> None:
    assert anna.send("GET", "/api/subject", headers=headers)[0] in (400, 403)
    assert anna.send("GET", f"/thumbnail/{anna.generation}/0", headers=headers)[0] in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", "http://localhost.evil"])
def test_other_origins_change_nothing(anna: Browser, store: MemoryStore, origin: str) -> None:
    body = {"generation": anna.generation, "batch": "a" * 32, "changes": [[0, 1, 0]]}
    assert anna.send("POST", "/api/decisions", body, {"Origin": origin})[0] == 403
    assert [info.key for info in store.list() if "/reviews/" in info.key] == []


def test_a_name_that_was_allowed_is_answered(store: MemoryStore) -> None:
    with served(store, "demo", allowed=("review.factory",)) as port:
        browser = Browser(port)
        assert browser.send("GET", "/", headers={"Host": "review.factory"})[0] == 200
        browser.host = "review.factory"
        assert browser.sign_in("Anna").get("/api/subject")["me"] == "Anna"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd",
        "/static/%00", "/thumbnail/../../0", "/layer/{g}/0/..%2f..%2fpicture", "/layer/{g}/0/cam",
        "/layer/{g}/99/mask", "/thumbnail/{g}/-1", "/thumbnail/{g}/999999999999999999999", "/blind/..%2f/0",
        "/api", "/datasets/demo",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(anna: Browser, path: str) -> None:
    status, _, content = anna.send("GET", path.format(g=anna.generation))
    assert status in (404, 405)
    assert b"import" not in content
    assert b"root:" not in content


def test_every_answer_forbids_the_browser_what_the_page_does_not_need(anna: Browser) -> None:
    for path in ("/", "/static/main.js", "/api/subject", "/no/such", f"/thumbnail/{anna.generation}/0"):
        _, headers, _ = anna.send("GET", path)
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def test_the_page_names_no_other_server(anna: Browser) -> None:
    from orchestrator.review.server import STATIC

    for file in STATIC.iterdir():
        text = file.read_text()
        assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), file
        for markup in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "style="):
            assert markup not in text, f"{markup} in {file}"


def test_a_hostile_name_is_kept_as_it_is_or_refused(port: int, store: MemoryStore) -> None:
    browser = Browser(port).sign_in(HOSTILE)
    assert browser.get("/api/subject")["me"] == HOSTILE
    browser.decide((0, 1, 0), batch="a" * 32)
    keys = [info.key for info in store.list() if "/reviews/" in info.key]
    assert len(keys) == 1
    for name in ("", " ", "a\nb", "a\x00b", "x" * 61, "\u202eevil"):
        assert browser.send("POST", "/api/session", {"token": TOKEN, "name": name})[0] == 400, name


def test_hostile_labels_and_file_names_are_data(store: MemoryStore) -> None:
    lines = read_manifest(store, store.uri("datasets/demo/manifest.jsonl"))
    lines = [replace(x, label=HOSTILE, origin=Origin(source=f"../{HOSTILE}.png")) for x in lines]
    write_dataset(store, "hostile", lines, {})
    with served(store, "hostile") as port:
        browser = Browser(port).sign_in("Anna")
        assert browser.get("/api/subject")["labels"] == [HOSTILE]
        status, headers, content = browser.send("GET", "/api/rows?rows=0")
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(content)["rows"][0]["source"] == f"../{HOSTILE}.png"


def test_a_body_too_large_or_without_a_length_is_not_read(anna: Browser) -> None:
    assert anna.send("POST", "/api/decisions", b"x" * (5 << 20))[0] == 403
    assert anna.send("POST", "/api/decisions", b"", {"Transfer-Encoding": "chunked", "Content-Length": ""})[0] >= 400


def test_the_most_alike_are_given_or_it_is_said_why_not(anna: Browser, store: MemoryStore) -> None:
    alike = anna.get("/api/alike/0?count=3")
    assert alike["rows"][0] == 0
    assert len(alike["rows"]) == len(alike["distances"]) == 3
    assert anna.send("GET", "/api/alike/0?count=0")[0] == 400
    with served(store, "demo", as_dataset=True) as port:
        assert "nobody has scored" in Browser(port).sign_in("Anna").get("/api/alike/0")["missing"]


def scores(browser: Browser, query: str) -> Any:
    while (answer := browser.get(f"/api/scores?{query}"))["done"] is not None:
        time.sleep(0.01)
    return answer


def test_scores_come_label_by_label_and_views_show_what_counts() -> None:
    store = MemoryStore()
    write_reviewable(store, "demo", 60, photographs=12, size_px=32)
    with served(store, "demo") as port:
        anna = Browser(port).sign_in("Anna")
        of = scores(anna, "of=made")
        assert [one["label"] for one in of["labels"]] == ["defect", "good"]
        for label in of["labels"]:
            assert label["missing"] == ""
            assert {share["score"]: share["of"] for share in label["shares"]} == {
                "unrealistic": 30, "alike": 30, "memorised": 30, "uncovered": 12,
            }  # fmt: skip
            for share in label["shares"]:
                query = f"/api/view?label={label['label']}&of=made&score={share['score']}"
                rows = np.frombuffer(anna.send("GET", query)[2], "<u4")
                assert len(rows) == share["count"]
                assert share["low"] <= share["count"] / share["of"] <= share["high"]
        rows = np.frombuffer(anna.send("GET", "/api/view?of=made&score=uncovered")[2], "<u4")
        assert len(rows) > 0
        photograph = anna.get(f"/api/rows?others=1&rows={rows[0]}")["rows"][0]
        assert (photograph["origin"], photograph["layers"][0]) == ("real", "picture")
        assert anna.send("GET", f"/thumbnail/{anna.generation}/{rows[0]}")[0] == 200
        status, _, content = anna.send(
            "POST", "/api/decisions",
            {"generation": anna.generation, "batch": "a" * 32, "changes": [[int(rows[0]), 1, 0]]},
        )  # fmt: skip
        assert (status, "does not exist" in json.loads(content)["error"]) == (400, True)
        assert anna.get(f"/api/alike/{rows[0]}?count=3")["rows"]


def test_scores_of_what_counts_are_those_of_decisions_when_they_are_asked_for_anew() -> None:
    store = MemoryStore()
    write_reviewable(store, "demo", 60, photographs=12, size_px=32)
    with served(store, "demo") as port:
        anna = Browser(port).sign_in("Anna")

        def sizes(query: str) -> list[int]:
            return [label["shares"][0]["of"] for label in scores(anna, query)["labels"]]

        before = sizes("of=kept")
        anna.decide(*((row, 1, 0) for row in range(60)), batch="a" * 32)
        assert sizes("of=kept") == before
        assert sizes("of=kept&anew=1") == [30, 30]
        assert sizes("of=made&anew=1") == [30, 30]
        assert anna.send("GET", "/api/scores?of=mine")[0] == 400


def test_where_there_are_no_features_scores_and_map_say_so(store: MemoryStore, anna: Browser) -> None:
    assert "show 5 parts" in scores(anna, "of=made")["labels"][0]["missing"]
    with served(store, "demo", as_dataset=True) as port:
        browser = Browser(port).sign_in("Anna")
        assert "nobody has scored" in browser.get("/api/scores")["missing"]
        assert "nobody has scored" in browser.get("/api/map")["missing"]
        assert not browser.get("/api/subject")["judged"]


def test_the_map_has_a_point_for_every_row_and_photograph(anna: Browser) -> None:
    low, high = sorted(anna.get("/api/map")["explained"])
    assert 0 < low <= high < 1
    points = np.frombuffer(anna.send("GET", "/api/map/points")[2], "<f4").reshape(-1, 2)
    assert points.shape == (20 + 10, 2)
    assert np.isfinite(points).all()


def test_heat_that_nobody_can_make_is_an_error_in_a_sentence(anna: Browser, store: MemoryStore) -> None:
    status, _, content = anna.send("GET", f"/api/heat/{anna.generation}/0")
    assert (status, json.loads(content)["error"]) == (503, "there is no explainer here")
    with served(store, "demo", as_dataset=True) as port:
        browser = Browser(port).sign_in("Anna")
        status, _, content = browser.send("GET", f"/api/heat/{browser.generation}/0")
        assert (status, "nobody has judged" in json.loads(content)["error"]) == (409, True)
        assert browser.send("GET", f"/layer/{browser.generation}/0/heat")[0] == 404


def test_a_blind_test_mixes_as_many_of_both_and_keeps_the_result(anna: Browser, store: MemoryStore) -> None:
    trial = anna.post("/api/blind", {"label": "good", "pictures": 10})
    assert trial["pictures"] == 10
    shown = [anna.send("GET", f"/blind/{trial['id']}/{place}") for place in range(10)]
    images = [Image.open(io.BytesIO(content)) for _, _, content in shown]
    assert {(image.size, image.mode) for image in images} == {((32, 32), "RGB")}, "nothing but the picture tells"
    assert {headers["cache-control"] for _, headers, _ in shown} == {"no-store"}
    assert Browser(anna.port).sign_in("Ben").send("GET", f"/blind/{trial['id']}/0")[0] == 404
    assert anna.send("POST", f"/api/blind/{trial['id']}", {"answers": [True]})[0] == 400
    done = anna.post(f"/api/blind/{trial['id']}", {"answers": [True] * 10})
    assert sorted(done["real"]) == [False] * 5 + [True] * 5
    result = done["result"]
    assert (result["right"], result["pictures"], result["called_real"], result["synthetic"]) == (5, 10, 5, 5)
    assert (round(result["low"], 4), round(result["high"], 4)) == (0.1871, 0.8129)  # R: binom.test(5, 10)
    assert anna.get("/api/statistics")["blind"] == [result]
    assert anna.send("POST", f"/api/blind/{trial['id']}", {"answers": [True] * 10})[0] == 404


def test_statistics_say_who_agrees(anna: Browser) -> None:
    ben = Browser(anna.port).sign_in("Ben")
    anna.decide(*((row, 1, 0) for row in range(6)), batch="a" * 32)
    ben.decide(*((row, 1 + (row > 3), 0) for row in range(6)), batch="b" * 32)
    figures = anna.get("/api/statistics?sample=20&seed=1")
    assert figures["decided"] == 6
    (pair,) = figures["pairs"]
    assert (pair["both"], pair["agreed"], pair["differ"], pair["kappa"]) == (6, 4, 2, 0)
    assert (figures["sample"]["size"], figures["sample"]["decided"], figures["sample"]["bad"]) == (20, 6, 0)


def test_documents_are_written_when_asked_for(anna: Browser, store: MemoryStore) -> None:
    anna.decide((0, 2, 0), batch="a" * 32)
    (uri,) = anna.post("/api/documents", {})["documents"].values()
    assert read_manifest(store, uri)[0].judgement.reviewer == "Anna"


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 16"):
        Address("127.0.0.1", 0, (), "short")
