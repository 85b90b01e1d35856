"""The line: its steps in their order."""

from collections.abc import Mapping
from typing import Any

from orchestrator.pipeline import classifier_steps, data_steps, synthetic_steps
from orchestrator.pipeline.step import Outputs, Step, StepContext, StepInputs


def _report_inputs(context: StepInputs) -> Mapping[str, Any]:
    return {"settings": context.settings.model_dump(exclude={"data": {"directory", "groups"}}), **context.outputs}


def _report(context: StepContext) -> Outputs:
    from orchestrator.report import build_report

    html, summary = build_report(context.store, context.run)
    key = f"runs/{context.run}/report.html"
    context.store.put(key, html)
    return {"report_uri": context.store.uri(key), "summary": summary}


_BEFORE_REPORT = (
    Step("ingest", (), data_steps.ingest_inputs, data_steps.ingest),
    Step("baseline", ("ingest",), classifier_steps.train_inputs("baseline"), classifier_steps.train("baseline")),
    Step(
        "baseline-evaluate",
        ("ingest", "baseline"),
        classifier_steps.evaluate_inputs("baseline"),
        classifier_steps.evaluate("baseline"),
    ),
    Step("judge", ("ingest", "baseline"), classifier_steps.judge_inputs, classifier_steps.judge),
    Step("generators", ("ingest",), synthetic_steps.generators_inputs, synthetic_steps.generators),
    Step(
        "filter",
        ("ingest", "judge", "generators"),
        synthetic_steps.filter_inputs,
        synthetic_steps.synthesise_and_filter,
    ),
    Step("expanded-dataset", ("ingest", "filter"), data_steps.expanded_dataset_inputs, data_steps.expanded_dataset),
    Step(
        "expanded",
        ("ingest", "baseline", "expanded-dataset"),
        classifier_steps.train_inputs("expanded"),
        classifier_steps.train("expanded"),
    ),
    Step(
        "expanded-evaluate",
        ("ingest", "expanded"),
        classifier_steps.evaluate_inputs("expanded"),
        classifier_steps.evaluate("expanded"),
    ),
    Step("explain", ("ingest", "baseline", "expanded"), classifier_steps.explain_inputs, classifier_steps.explain),
)
LINE = (*_BEFORE_REPORT, Step("report", tuple(step.name for step in _BEFORE_REPORT), _report_inputs, _report))
