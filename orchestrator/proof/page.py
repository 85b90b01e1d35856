"""Writes an experiment's report: one self-contained page, and tables, figures and the whole protocol as files."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isnan

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from defectory.storage.store import ObjectStore
from orchestrator.proof import pictures
from orchestrator.proof.judgement import Interval, Proof
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.proof.verdict import CAUGHT, COST, Protocol, in_photographs, limits
from orchestrator.report.figures import data_uri, png, svg
from orchestrator.report.page import flatten

SVG = "image/svg+xml"


@dataclass(frozen=True)
class Picture:
    """A figure of the page. name: of its file; image: a data URI."""

    name: str
    title: str
    image: str


def write_report(
    store: ObjectStore, prefix: str, proof: Proof, protocol: Protocol, verdict: Sequence[str], drawn: str
) -> dict[str, str]:
    """Write all files below a key and return name -> URI.

    Args:
        drawn: what the pictures are where they are drawings; empty: photographs.
    """
    figures = _figures(proof, protocol)
    shown = {name: Picture(name, title, data_uri(svg(figure), SVG)) for name, (title, figure) in figures.items()}
    files = {
        "report.html": _page(proof, protocol, verdict, drawn, list(shown.values())).encode(),
        "scores.csv": _csv(_score_rows(proof)),
        "by_fold.csv": _csv(_fold_rows(proof)),
        **{f"{name}.csv": _csv(rows) for name, rows in _tables(proof, protocol.spec).items() if rows},
        "proof.json": _json(proof, protocol, verdict),
        **{f"{name}.png": png(figure) for name, (_, figure) in figures.items()},
    }
    for name, content in files.items():
        store.put(prefix + name, content)
    return {name: store.uri(prefix + name) for name in files}


def _figures(proof: Proof, protocol: Protocol) -> dict[str, tuple[str, Figure]]:
    """File name -> (title, figure)."""
    spec, primary = protocol.spec, protocol.design.primary
    figures = {
        "gains": ("What each arm gains", pictures.gains(proof, spec.reference, primary)),
        "folds": ("Fold by fold", pictures.dumbbells(proof, spec.reference, primary)),
        "cost": ("What 1,000 parts cost", pictures.figure_of(proof, COST)),
    }
    for number, arms in enumerate(share_sweeps(spec), start=1):
        title = f"The share of photographs: {', '.join(arms[share] for share in sorted(arms))}"
        figures[f"shares-{number}"] = (title, pictures.share_curve(proof, arms, spec.reference, primary))
    if proof.curve:
        title = "What the arms are worth in real photographs"
        figures["worth"] = (title, pictures.learning_curve(proof, primary, spec.learning_curve[0]))
    if kinds := _kinds(proof):
        figures["kinds"] = ("What is caught of every kind", pictures.caught(proof, kinds))
    return figures


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


def _page(proof: Proof, protocol: Protocol, verdict: Sequence[str], drawn: str, shown: Sequence[Picture]) -> str:
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
        pictures=shown,
        cost=COST,
        scores=[name for name in next(iter(proof.scores.values())) if not name.startswith(CAUGHT)],
        kinds=_kinds(proof),
        settings=list(flatten(protocol.spec.model_dump(mode="json"))),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def in_words(figure: Interval, score: str, *, signed: bool = False) -> str:
    """A figure with its interval: a cost as it is, everything else in per cent."""
    if isnan(figure.value):
        return "–"
    show = f"{{:{'+' * signed}.1f}}".format
    scale, unit = (1, "") if score == COST else (100, "" if signed else "%")
    return f"{show(scale * figure.value)}{unit} [{show(scale * figure.low)}, {show(scale * figure.high)}]"


def _score_rows(proof: Proof) -> Iterable[dict[str, object]]:
    for arm, own in proof.scores.items():
        for score, figure in own.items():
            row: dict[str, object] = {"arm": arm, "score": score, **asdict(figure)}
            if arm in proof.gains:
                row |= {f"gain_{name}": value for name, value in asdict(proof.gains[arm][score]).items()}
            yield row


def _fold_rows(proof: Proof) -> Iterable[dict[str, object]]:
    for arm, values in proof.by_fold.items():
        for fold, value in enumerate(values, start=1):
            yield {"arm": arm, "fold": fold, "score": value}


def _tables(proof: Proof, spec: ExperimentSpec) -> dict[str, list[dict[str, object]]]:
    """Name of a curve's file -> its rows: gains over the reference by share, and by number of photographs."""
    tables: dict[str, list[dict[str, object]]] = {
        f"shares-{number}": [
            {"share": share, "arm": arms[share], **asdict(proof.differences[arms[share]].gain)}
            for share in sorted(arms)
        ]
        for number, arms in enumerate(share_sweeps(spec), start=1)
    }
    tables["learning_curve"] = [{"photographs": at, **asdict(gain)} for at, gain in proof.curve.items()]
    most = proof.most_worth
    tables["worth"] = [
        {"arm": arm, **asdict(worth), "more_than_there_are": worth.high >= most} for arm, worth in proof.worth.items()
    ]
    return tables


def _csv(rows: Iterable[Mapping[str, object]]) -> bytes:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, max(rows, key=len).keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


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
