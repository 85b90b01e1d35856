"""Commands of the line: cables, ingest, run, filter, explain, report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from orchestrator.cli.common import (
    JsonOption,
    StoreOption,
    WeightsOption,
    console,
    manifest_uri,
    open_named,
    operate,
    services,
    tell,
)


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (cables, ingest, run, report):
        app.command()(command)
    app.command("filter")(filter_images)
    app.command()(explain)


def cables(
    directory: Annotated[Path, typer.Argument(help="Folder to write, in the layout of an MVTec AD category.")],
    good: Annotated[int, typer.Option(min=0, help="Drawings without a defect.")] = 60,
    defect: Annotated[int, typer.Option(min=0, help="Drawings with one, over the eight kinds of MVTec's cable.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first drawing.")] = 0,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side in pixels.")] = 256,
    as_json: JsonOption = False,
) -> None:
    """Draw cross-sections of cables to try the line with. They are drawings, no photographs.

    Example: defectory cables /tmp/cables --good 60 --defect 30
    """
    from orchestrator.cables import write_cables

    write_cables(directory, good, defect, seed, size_px=size)
    tell({"directory": str(directory), "good": good, "defect": defect, "seed": seed}, as_json)


def ingest(
    directory: Annotated[Path, typer.Argument(help="MVTec AD category, class folders, or a CSV of image,label.")],
    name: Annotated[str, typer.Option(help="Name of the dataset.")],
    size: Annotated[int, typer.Option(help="Side of the square images in pixels.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    fit: Annotated[str, typer.Option(help="How an image becomes square: stretch, crop or pad.")] = "stretch",
    labels: Annotated[str, typer.Option(help="binary (good / defect) or kinds.")] = "binary",
    groups: Annotated[Path | None, typer.Option(help="CSV of image,group: photographs of one part.")] = None,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read photographs into a dataset, split without leaks. A broken file is listed and skipped.

    Example: defectory ingest photos/ --name cable --size 64
    """
    from defectory.datasets.ingest import ingest as ingest_folder
    from orchestrator.pipeline.progress import Display, Report

    for option, value, allowed in (("fit", fit, ("stretch", "crop", "pad")), ("labels", labels, ("binary", "kinds"))):
        if value not in allowed:
            right = f"use {', '.join(allowed)}"
            raise InvalidInput(f"--{option} {value!r}: {right}", {option: right})
    if groups is not None and not groups.is_file():
        raise NotFound(f"--groups {groups}: there is no such file")
    with Display(console) as display:
        display.started("ingest", str(directory))
        result = ingest_folder(
            directory,
            open_named(store),
            name,
            size_px=size,
            fit=fit,  # type: ignore[arg-type]
            labels=labels,  # type: ignore[arg-type]
            seed=seed,
            groups_csv=groups,
            report=lambda *progress: display.progress(Report(*progress)),
        )
    for path, reason in result.skipped[:20]:
        console.print(f"skipped {path}: {reason}", markup=False)
    if len(result.skipped) > 20:
        console.print(f"… and {len(result.skipped) - 20} more; they are all in dataset.json")
    values: dict[str, Any] = {
        "dataset": name,
        "manifest_uri": result.manifest_uri,
        "images": result.card["images"],
        "groups": result.card["groups"],
        "counts": result.counts,
        "skipped": [list(entry) for entry in result.skipped] if as_json else len(result.skipped),
        "content_hash": result.card["content_hash"],
    }
    tell(values, as_json)


def run(
    what: Annotated[Path, typer.Argument(help="Pipeline file (YAML), or a folder of photographs.")],
    preset: Annotated[str, typer.Option(help="Where defaults come from: quick, paper or demo.")] = "",
    name: Annotated[str, typer.Option(help="Name of the run; default: the file's or folder's.")] = "",
    first: Annotated[str, typer.Option("--from", help="Compute anew from this step on.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would run, and why.")] = False,
    allow_random_weights: Annotated[bool, typer.Option(help="Go on where no ImageNet weights are found.")] = False,
    weights: WeightsOption = "",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Run the whole line. Killed, it goes on where it was: give the same command again.

    Examples: defectory run photos/ --preset quick;  defectory run examples/magnetic_tile.yaml --dry-run
    """
    from orchestrator.pipeline.line import LINE
    from orchestrator.pipeline.plan import make_plan
    from orchestrator.pipeline.presets import preset as preset_values
    from orchestrator.pipeline.run_record import RunRecord
    from orchestrator.pipeline.runner import run_line
    from orchestrator.pipeline.settings import read_pipeline_file, resolve, run_name

    if what.suffix in (".yaml", ".yml"):
        values = read_pipeline_file(what)
    elif what.exists():
        values = {"name": run_name(what.stem), "data": {"directory": str(what.resolve())}}
        preset = preset or "quick"
    else:
        raise NotFound(f"{what} does not exist: give a pipeline file or a folder of photographs")
    values = {**values, **({"name": name} if name else {})}
    if allow_random_weights:
        values["allow_random_weights"] = True
    settings = resolve(values, preset_values(preset or str(values.get("preset", ""))))
    opened = open_named(store)
    if dry_run:
        decisions = make_plan(
            LINE, settings, RunRecord(opened, settings.name), opened.url, first=first, weights=weights
        )
        tell({d.step: f"{d.action}: {d.why}" for d in decisions}, as_json)
        return
    with services(opened, weights) as (clients, display):
        result = run_line(LINE, opened, settings, clients, display, first=first, weights=weights)
    summary = result.outputs["report"]["summary"]
    expanded = result.outputs["expanded"]
    tell(
        {
            "run": result.run,
            "verdict": summary["verdict"],
            "report": _local(result.outputs["report"]["report_uri"]),
            "dataset": result.outputs["ingest"]["dataset"],
            "manifest_uri": result.outputs["expanded-dataset"]["manifest_uri"],
            "model": expanded["name"],
            "version": expanded["version"],
            "weights_sha256": expanded["weights_sha256"],
            "counts": result.outputs["expanded-dataset"]["counts"],
            "ran": result.ran,
            "skipped": result.skipped,
        },
        as_json,
    )


def filter_images(
    synthetic: Annotated[str, typer.Argument(help="Dataset of synthetic images, by name or manifest URI.")],
    real: Annotated[str, typer.Option(help="Dataset of the real images.")],
    judge: Annotated[str, typer.Option(help="Classifier that judges, NAME or NAME/VERSION.")],
    dataset: Annotated[str, typer.Option(help="Dataset to write.")],
    policy: Annotated[str, typer.Option(help="confident, informative, band or none.")] = "confident",
    threshold: Annotated[float, typer.Option(help="Confidence threshold, in [0, 1].")] = 0.9,
    lower_threshold: Annotated[float, typer.Option(help="Lower end of band, in [0, 1].")] = 0.5,
    novelty_gate: Annotated[bool, typer.Option(help="Reject near-copies, near-duplicates and outliers.")] = True,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Judge synthetic images by confidence and novelty.

    Example: defectory filter made --real cable --judge baseline --dataset judged --threshold 0.9
    """
    from defectory.api.filter.v1 import filter_pb2 as pb

    if f"POLICY_{policy.upper()}" not in pb.Policy.keys():  # noqa: SIM118 (an enum wrapper, no mapping)
        right = "use confident, informative, band or none"
        raise InvalidInput(f"--policy {policy!r}: {right}", {"policy": right})
    opened = open_named(store)
    request = pb.FilterImagesRequest(
        manifest_uri=manifest_uri(opened, synthetic),
        real_manifest_uri=manifest_uri(opened, real),
        judge_model=judge,
        policy=pb.Policy.Value(f"POLICY_{policy.upper()}"),
        threshold=threshold,
        novelty_gate=novelty_gate,
        dataset=dataset,
    )
    if policy == "band":
        request.lower_threshold = lower_threshold
    response = operate(opened, "filter", "FilterImages", request)
    values = {"dataset": dataset, "manifest_uri": response.manifest_uri, "counts": dict(response.verdicts)}
    tell({**values, "reasons": dict(response.reasons), "curve_uri": response.curve_uri}, as_json)


def explain(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or manifest URI.")],
    model: Annotated[list[str], typer.Option(help="Classifier; several are shown side by side.")],
    out: Annotated[str, typer.Option(help="Key prefix in the store to write under.")] = "explanations",
    split: Annotated[str, typer.Option(help="Split to explain.")] = "test",
    limit: Annotated[int, typer.Option(min=1, help="At most so many images.")] = 16,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what classifiers looked at: Grad-CAM heatmaps and boxes.

    Example: defectory explain cable --model baseline --model expanded
    """
    from defectory.api.explainer.v1 import explainer_pb2 as pb

    opened = open_named(store)
    request = pb.ExplainImagesRequest(
        models=model, manifest_uri=manifest_uri(opened, dataset), split=split, limit=limit, output_prefix=out
    )
    response = operate(opened, "explainer", "ExplainImages", request)
    tell({"explanations_uri": response.explanations_uri, "counts": {"images": response.count}}, as_json)


def report(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")],
    out: Annotated[Path | None, typer.Option(help="File to write beside the one in the store.")] = None,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a run's report anew.

    Example: defectory report cable --out report.html
    """
    from orchestrator.report import build_report

    opened = open_named(store)
    html, summary = build_report(opened, run_name)
    key = f"runs/{run_name}/report.html"
    opened.put(key, html)
    if out is not None:
        try:
            out.write_bytes(html)
        except OSError as error:
            raise FailedPrecondition(f"--out {out}: {error}") from error
    tell({"run": run_name, "report": str(out or _local(opened.uri(key))), "verdict": summary["verdict"]}, as_json)


def _local(uri: str) -> str:
    """A path where the store is a folder, so that a person can open it."""
    return uri.removeprefix("file://")
