"""The end of a run: verdict, time by step, report, and what to type next."""

import shlex

import pytest
from typer.main import get_command

from orchestrator.cli.main import app
from orchestrator.cli.run_result import in_words, next_commands
from orchestrator.pipeline.outputs import REPORT, EvaluatedArm, Ingested, Outputs, Reported, TrainedArm
from orchestrator.pipeline.runner import RunResult
from orchestrator.pipeline.settings import resolve
from orchestrator.pipeline.summary import ChoiceSummary, RunSummary, TrivialSummary

SETTINGS = resolve({"name": "run", "data": {"directory": "x"}}, {})
INGESTED = Ingested(
    dataset="run", manifest_uri="memory://m", content_hash="0", images=9, labels=["good"],
    skipped=[("good/a.png", "it is broken")], counts={}, source={}, bits=16,
)  # fmt: skip
REPORTED = Reported(
    report_uri="file:///store/runs/run/report.html",
    summary=RunSummary(
        verdict="Both passed 4 of 4.", arms={}, differences={}, test_images=9, test_groups=9, synthetic={}, heat=None
    ),
)


def choosing(arm: str, why: str) -> RunResult:
    """A run whose report goes on with an arm."""
    run = result(0.7, 0.8)
    summary = REPORTED.summary.model_copy(update={"choice": ChoiceSummary(arm=arm, why=why)})
    run.outputs.add("report", REPORTED.model_copy(update={"summary": summary}))
    return run


def trained(arm: str) -> TrainedArm:
    return TrainedArm(
        name=f"run.{arm}", version="1", weights_sha256="", metrics_uri="", card_uri="", initial_weights="random",
        steps_per_epoch=1,
    )  # fmt: skip


def result(baseline: float, expanded: float, **fields) -> RunResult:  # type: ignore[no-untyped-def]
    figures = {"baseline": baseline, "expanded": expanded}
    steps = {"ingest": INGESTED, "report": REPORTED, **{arm: trained(arm) for arm in figures}}
    steps |= {f"{arm}-evaluate": EvaluatedArm(evaluation_uri="e", metrics={"f1": f1}) for arm, f1 in figures.items()}
    return RunResult("run", Outputs(steps), **fields)


def test_the_verdict_comes_first_then_the_time_by_step_the_report_and_what_to_type_next() -> None:
    seconds = {"ingest": 0.4, "baseline": 62.0, "generators": 3700.0}
    lines = (
        in_words(result(0.5, 0.75, ran=list(seconds), seconds=seconds, elapsed_s=3762.4), SETTINGS, "")
        .strip()
        .splitlines()
    )
    assert lines == [
        "Both passed 4 of 4.",
        "macro-F1 (precision and recall of every label in one figure) on the test split, mean over all trainings of an "
        "arm: real only 50.0%, real + synthetic 75.0%",
        "1 files were skipped; `defectory run … --json` and the report list them",
        "time: 1:02:42 in all: generators 1:01:40, baseline 1:02",
        "report: /store/runs/run/report.html",
        "next:",
        "  defectory classifier classify run.baseline/1 part.png",
        "  defectory explain part.png --model run.baseline/1 --out part-why.png",
    ]


def test_a_run_that_had_nothing_to_do_says_so() -> None:
    assert "time: none, everything was there" in in_words(result(0.5, 0.5), SETTINGS, "")


@pytest.mark.parametrize("best", ["expanded", "baseline"])
def test_the_next_commands_are_of_the_arm_that_the_report_chose_and_can_be_typed(best: str) -> None:
    first, *commands = next_commands(choosing(best, "which helped"), SETTINGS, "a store")
    assert first == f"with “{'real only' if best == 'baseline' else 'real + synthetic'}”, which helped:"
    for command in commands:
        name, *words = shlex.split(command)
        assert name == "defectory"
        assert f"run.{best}/1" in words
        assert words[-2:] == ["--store", "a store"]
        parser = get_command(app)
        while words[0] in getattr(parser, "commands", {}):
            parser = parser.commands[words.pop(0)]
        assert not hasattr(parser, "commands"), "it is a command, no group of them"
        parser.make_context(parser.name, words)  # which refuses options and words that it does not know


def test_a_run_of_an_earlier_version_goes_on_with_the_first_arm_and_gives_no_reason() -> None:
    assert next_commands(result(0.7, 0.8), SETTINGS, "")[0] == "defectory classifier classify run.baseline/1 part.png"


def test_a_time_that_is_less_than_the_sum_of_the_steps_says_why() -> None:
    seconds = {"baseline": 62.0, "generators": 100.0}
    said = in_words(result(0.5, 0.75, ran=list(seconds), seconds=seconds, elapsed_s=101.0), SETTINGS, "")
    assert "time: 1:41 in all: generators 1:40, baseline 1:02 (some beside each other)" in said


def test_a_run_that_goes_on_says_what_this_start_took_and_all_steps_together() -> None:
    seconds = {"generators": 130.0, "report": 7.0}
    went_on = result(0.5, 0.75, ran=list(seconds), seconds=seconds, before={"ingest": 3.0, "baseline": 60.0},
                     elapsed_s=137.0)  # fmt: skip
    assert (
        "time: 2:17 of this start: generators 2:10, report 0:07; with the steps that were done before 3:13 together "
        "(the report's table)\n"
    ) in in_words(went_on, SETTINGS, "")


def test_a_report_that_was_replaced_is_named_by_the_run_that_replaced_it() -> None:
    earlier_uri = "file:///store/runs/run/earlier/20261201T040900Z/report.html"
    line = "the report of before is kept as /store/runs/run/earlier/20261201T040900Z/report.html"
    for ran in (["report"], []):
        run = result(0.5, 0.75, ran=ran)
        run.outputs.add("report", REPORTED.model_copy(update={"earlier_uri": earlier_uri}))
        assert (line in in_words(run, SETTINGS, "").splitlines()) == bool(ran)


def of_no_use(*arms: str) -> RunResult:
    """A run whose arms are no better than passing every part."""
    trivial = TrivialSummary(answer="passing every part", right=9, of=13, f1=0.409, no_better=list(arms))
    run = result(0.46, 0.28)
    counted = INGESTED.model_copy(update={"counts": {"train": {"defect": 17, "good": 42}}})
    summary = run.outputs[REPORT].summary.model_copy(update={"trivial": trivial})
    report = REPORTED.model_copy(update={"summary": summary})
    run.outputs.add("ingest", counted)
    run.outputs.add("report", report)
    return run


def test_a_model_that_is_no_better_than_passing_everything_is_nothing_to_go_on_with() -> None:
    said = in_words(of_no_use("baseline", "expanded"), SETTINGS, "")
    after = said.partition("next:\n")[2].splitlines()
    assert after == [
        "  more photographs, of defect first: 17 photographs of defect and 42 of good train the classifier; put them "
        "into the same folder, and start the same run again",
        "  defectory open run",
    ]


def test_only_the_arm_that_would_be_gone_on_with_matters() -> None:
    assert "classify run.baseline" in in_words(of_no_use("expanded"), SETTINGS, "")


def test_a_run_from_the_starter_is_first_told_of_the_weights_and_where_the_file_is_to_be_had() -> None:
    run = of_no_use("baseline", "expanded")
    assert "ImageNet" not in in_words(run, SETTINGS, "")
    run.outputs.add("baseline", trained("baseline").model_copy(update={"initial_weights": "starter"}))
    first, *rest = in_words(run, SETTINGS, "").partition("next:\n")[2].splitlines()
    assert first.startswith("  the ImageNet weights, which on real photographs usually matter more than anything else")
    assert "leaves mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5 in ~/.keras/models" in first
    assert first.endswith("start the same run again with --weights FILE")
    assert len(rest) == 2
