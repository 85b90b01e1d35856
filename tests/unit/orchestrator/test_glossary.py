"""Words of a command's result are explained beside it, once, unless the result explains them itself."""

import json

import pytest

from orchestrator.cli.output import emit
from orchestrator.cli.sections import in_sections
from orchestrator.glossary import AS_SAID, GLOSSARY, ON_TERMINALS, words_in


def test_every_word_that_is_looked_for_has_a_meaning() -> None:
    assert AS_SAID.keys() <= GLOSSARY.keys() | ON_TERMINALS.keys()
    assert not GLOSSARY.keys() & ON_TERMINALS.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("macro-F1 51.6%, and macro-F1 29.3%", ["macro-F1"]),
        ("model  label  kimg\nx/1    good   1.008", ["kimg"]),
        ("each arm's 5 cycles", ["arm", "cycle"]),
        ("the best by its distance to held-out images (KID 0.2)", ["KID (kernel inception distance)"]),
        ("macro-F1 (precision and recall of every label in one figure): 51.6%", []),
        ("photos.judge/1 in datasets/arm/manifest.jsonl, --set generator.kimg=1, --kimg, snapshot_kimg, warm", []),
        ("calibration.test.ECE before 0.2", ["ECE (expected calibration error)"]),
        ("ECE 0.2\nmissed defects 3 of 4", ["ECE (expected calibration error)", "missed defects, false alarms"]),
    ],
)
def test_words_are_found_and_names_are_none(text: str, words: list[str]) -> None:
    assert [word.shown for word in words_in(text)] == words


def test_they_stand_beside_the_text_and_not_in_what_scripts_read(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"x": 1}, False, "macro-F1 51.6%")
    shown = capsys.readouterr()
    assert shown.out == "macro-F1 51.6%\n"
    assert shown.err == f"\nwords:\n  macro-F1: {GLOSSARY['macro-f1'].meaning}\n"
    emit({"text": "macro-F1"}, True, "macro-F1 51.6%")
    shown = capsys.readouterr()
    assert (json.loads(shown.out), shown.err) == ({"text": "macro-F1"}, "")


def test_mistakes_have_the_names_of_the_report() -> None:
    rate = {"count": 3, "of": 4, "low": 0.194, "high": 0.994}
    text = in_sections({"operating_point": {"test": {"escape": rate, "overkill": rate}}, "escapes": {"crack": rate}})
    assert [line.split("  ")[0] for line in text.splitlines()] == [
        "operating_point.test.missed defects",
        "operating_point.test.false alarms",
        "missed defects.crack",
    ]
