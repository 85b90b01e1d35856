"""Every word that the page links to is explained on it, once, and every explanation is linked to."""

import json
import re

from orchestrator.glossary import GLOSSARY
from orchestrator.report import build_report
from tests.unit.report.finished_run import DEFAULT_ARMS, FOUR, finished_run, put


def whole_page() -> str:
    store = finished_run(FOUR, kinds=("", "cable_swap"))
    error = {"ece_before": 0.1, "ece_after": 0.1, "images": 40}
    card = json.loads(store.get("models/baseline/model.json"))
    calibration = {"temperature": 1.2, "validation": error, "test": error}
    put(store, "models/baseline/model.json", {**card, "calibration": calibration})
    key = "datasets/judged/dataset.json"
    probe = {"auroc": 0.5, "low": 0.4, "high": 0.6, "real": 30, "synthetic": 20}
    put(store, key, {**json.loads(store.get(key)), "probe": {"good": probe}})
    return build_report(store, "run").html.decode()


def test_words_and_links_agree() -> None:
    page = whole_page()
    explained = re.findall(r'<dt id="word-([^"]+)">', page)
    assert explained == list(GLOSSARY)
    assert set(re.findall(r'href="#word-([^"]+)"', page)) == set(explained)


def test_words_that_no_figure_uses_are_not_shown() -> None:
    page = build_report(finished_run(DEFAULT_ARMS), "run").html.decode().partition("Settings and seeds")[0]
    page = re.sub("<code>.*?</code>", "", page)  # settings have names of their own
    for word in ("focal", "frozen base", "escape", "overkill"):
        assert word not in page, word
