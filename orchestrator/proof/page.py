"""Writes an experiment's report: one self-contained page, and tables, figures and the whole protocol as files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import isnan

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from defectory.storage.store import ObjectStore
from orchestrator.proof import pictures
from orchestrator.proof.arms import Memory
from orchestrator.proof.digits import in_digits
from orchestrator.proof.judgement import Interval, Proof
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.proof.verdict import CAUGHT, COST, Protocol, in_photographs, limits, one_answer_costs
from orchestrator.report.charts import Chart, csv_of
from orchestrator.report.formats import flatten


def write_report(
    store: ObjectStore, prefix: str, proof: Proof, protocol: Protocol, verdict: Sequence[str], drawn: str
) -> dict[str, str]:
    """Write all files below a key and return name -> URI.

    Args:
        drawn: what the pictures are where they are drawings; empty: photographs.
    """
    charts = _charts(proof, protocol)
    files = {
        "report.html": _page(proof, protocol, verdict, drawn, charts).encode(),
        "scores.csv": csv_of(_score_rows(proof)),
        **({"worth.csv": csv_of(worth)} if (worth := list(_worth_rows(proof))) else {}),
        "proof.json": _json(proof, protocol, verdict),
    }
    for chart in charts:
        files |= chart.files()
    for name, content in files.items():
        store.put(prefix + name, content)
    return {name: store.uri(prefix + name) for name in files}


def _charts(proof: Proof, protocol: Protocol) -> list[Chart]:
    spec, primary = protocol.spec, protocol.design.primary
    charts = [
        pictures.gains(proof, spec.reference, primary),
        pictures.dumbbells(proof, spec.reference, primary),
        pictures.costs(proof, COST),
    ]
    charts += [
        pictures.share_curve(f"shares-{number}", proof, arms, spec.reference, primary)
        for number, arms in enumerate(share_sweeps(spec), start=1)
    ]
    if proof.curve:
        charts.append(pictures.learning_curve(proof, primary, spec.learning_curve[0]))
    if kinds := _kinds(proof):
        charts.append(pictures.caught(proof, kinds))
    return charts


def share_sweeps(spec: ExperimentSpec) -> list[dict[float, str]]:
    """Arms that differ in their least share of photographs alone: share -> name, of every such set of two or more."""
    sweeps: dict[str, dict[float, str]] = {}
    for arm in spec.pipeline.arms:
        share = arm.classifier.get("real_share")
        if arm.takes_made and isinstance(share, int | float) and arm.name != spec.reference:
            alike = arm.model_copy(update={
                "name": "", "title": "", "colour": "", "classifier": {**arm.classifier, "real_share": None}
            })  # fmt: skip
            sweeps.setdefault(alike.model_dump_json(), {})[float(share)] = arm.name
    return [arms for arms in sweeps.values() if len(arms) > 1]


def _kinds(proof: Proof) -> dict[str, str]:
    """Kind of defect -> its score's name."""
    names = next(iter(proof.scores.values()))
    return {name.removeprefix(CAUGHT): name for name in names if name.startswith(CAUGHT)}


def _page(proof: Proof, protocol: Protocol, verdict: Sequence[str], drawn: str, charts: Sequence[Chart]) -> str:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("orchestrator.proof"), PackageLoader("orchestrator.report")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["figure"] = in_words
    environment.filters["in_photographs"] = lambda figure: in_photographs(figure, proof.most_worth)
    environment.filters["tried"] = lambda figure, score, signed=False: in_words(Interval(*figure), score, signed=signed)
    return environment.get_template("experiment.html").render(
        proof=proof,
        protocol=protocol,
        spec=protocol.spec,
        verdict=verdict,
        drawn=drawn,
        limits=limits(protocol.spec, protocol.design),
        memories=[arm.name for arm in protocol.spec.arms if isinstance(arm, Memory)],
        charts=charts,
        cost=COST,
        scores=[name for name in next(iter(proof.scores.values())) if not name.startswith(CAUGHT)],
        kinds=_kinds(proof),
        trivial=one_answer_costs(protocol.spec.costs),
        settings=list(flatten(protocol.spec.model_dump(mode="json"))),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def in_words(figure: Interval, score: str, *, signed: bool = False) -> str:
    """A figure with its interval: a cost in as many digits as it has, everything else in per cent."""
    if isnan(figure.value):
        return "–"
    if score == COST:
        value, low, high = in_digits(figure, signed=signed)
        return f"{value} [{low}, {high}]"
    show = f"{{:{'+' * signed}.1f}}".format
    return f"{show(100 * figure.value)}{'' if signed else '%'} [{show(100 * figure.low)}, {show(100 * figure.high)}]"


def _score_rows(proof: Proof) -> Iterable[dict[str, object]]:
    for arm, own in proof.scores.items():
        for score, figure in own.items():
            row: dict[str, object] = {"arm": arm, "score": score, **asdict(figure)}
            if arm in proof.gains:
                row |= {f"gain_{name}": value for name, value in asdict(proof.gains[arm][score]).items()}
            yield row


def _worth_rows(proof: Proof) -> Iterable[dict[str, object]]:
    most = proof.most_worth
    for arm, worth in proof.worth.items():
        yield {"arm": arm, **asdict(worth), "more_than_there_are": worth.high >= most}


def _json(proof: Proof, protocol: Protocol, verdict: Sequence[str]) -> bytes:
    said = {
        "verdict": list(verdict),
        "spec": protocol.spec.model_dump(mode="json"),
        "design": asdict(protocol.design),
        "limits": limits(protocol.spec, protocol.design),
        "openings": [opening.model_dump(mode="json") for opening in protocol.openings],
        "trials": [trial.model_dump(mode="json") for trial in protocol.trials],
        "trained_on": [dict(kinds) for kinds in protocol.trained_on],
        "proof": asdict(proof),
    }
    return json.dumps(_known(said), indent=1).encode()


def _known(value: object) -> object:
    """A value without numbers that JSON has not: they are null."""
    if isinstance(value, float) and isnan(value):
        return None
    if isinstance(value, Mapping):
        return {name: _known(part) for name, part in value.items()}
    return [_known(part) for part in value] if isinstance(value, list | tuple) else value
