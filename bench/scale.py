"""A model of the line at a factory's scale, from measured rates: `python -m bench.scale --write`.

How much work, how many requests and bytes, what it costs, and which bound is met first, for so many products, synthetic
images and cameras. Rates are read from docs/benchmarks.md, bounds from the code and the manifests; prices are given.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.record import PAGE as BENCHMARKS
from bench.record import record
from defectory.datasets.manifest import MAX_LINES
from defectory.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/scale.md"
CORES = 2  # of the machines that the rates were measured on; a rate of theirs takes both
MONTH_S = 30 * 86_400
POLL_S = 10.0  # of the classifier's setting
LISTED = 1000  # keys of one answer to a list
FILES = 6  # of a served version, at least: card, weights, figures, reliability, base, its number
CARD_REQUESTS = 3  # to begin and end an operation: its record twice, its lease
BOUNDS = "What there is: the manifests in `deploy/kubernetes/base` and the settings' defaults."
GPU_HOURS = 1.0  # the goal of docs/benchmarks-gpu.md: 300 kimg at 512 px on an H100; not measured


@dataclass(frozen=True)
class Asked:
    """What the factory is: see the command's `--help`."""

    products: int
    labels: int
    photographs: int
    synthetic: int
    kimg: float
    cameras: int
    per_camera: float
    put_price: float
    get_price: float
    gigabyte_price: float
    core_price: float
    gpu_price: float


@dataclass(frozen=True)
class Rates:
    """What was measured."""

    training: float  # images/s of a step, both cores
    synthesis: float  # images/s into the store, both cores
    image_bytes: float  # of a synthetic image
    forward: float  # images/s of the classifier, both cores
    gate_s: float  # of the filter's gate for 100,000 x 10,000 images, both cores
    serving_ms: float  # of a core for an answered picture
    model_s: float  # to load a served model
    model_mb: float
    service_mb: float  # of a service with one model

    @classmethod
    def measured(cls) -> "Rates":
        """From docs/benchmarks.md."""
        served = ("Models that are served", "openvino")
        return cls(
            training=cell("Generator beside the reference", "training step 64², base 4096", "ours images/s"),
            synthesis=cell("Synthesis into the store", "10000 images 64²", "into the store images/s"),
            image_bytes=cell("Synthesis into the store", "10000 images 64²", "bytes an image"),
            forward=cell("Explaining beside the forward pass", "forward pass", "images/s"),
            gate_s=cell("Novelty gate at scale", "100,000 × 10,000 images, 2,000 test images", "seconds"),
            serving_ms=cell("Serving beside LitServe, BentoML and MLServer", "ours, openvino", "core ms an image"),
            model_s=cell(*served, "s to load each"),
            model_mb=cell(*served, "MiB each"),
            service_mb=cell(*served, "MiB of a service with one"),
        )


@dataclass(frozen=True)
class Stage:
    """Work of one kind for all products; hours are of a machine of two cores."""

    name: str
    hours: float
    puts: float = 0.0
    gets: float = 0.0
    stored_gb: float = 0.0

    def row(self, asked: Asked) -> list[str]:
        """Its cells."""
        cost = self.hours * CORES * asked.core_price + self.puts / 1e6 * asked.put_price
        cost += self.gets / 1e6 * asked.get_price + self.stored_gb * asked.gigabyte_price
        return [self.name, f"{self.hours:,.1f}", f"{self.puts / 1e6:,.2f}", f"{self.gets / 1e6:,.2f}",
                f"{self.stored_gb:,.1f}", f"{cost:,.0f}"]  # fmt: skip


@dataclass(frozen=True)
class Bound:
    """What there is and what is needed of it."""

    what: str
    there: float
    needed: float
    instead: str

    @property
    def times(self) -> float:
        """How often the need fits."""
        return self.there / self.needed


def cell(section: str, row: str, column: str) -> float:
    """A measured number: the section's table, the row that begins so, the column of that name."""
    page = BENCHMARKS.read_text()
    match = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    lines = [line for line in (match[1] if match else "").splitlines() if line.startswith("|")]
    table = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    rows = [cells for cells in table if cells[0].startswith(row)]
    if not rows:
        sys.exit(f"docs/benchmarks.md has no row {row!r} in {section!r}")
    return float(rows[0][table[0].index(column)].replace(",", ""))


def stages(asked: Asked, rates: Rates) -> list[Stage]:
    """The work of all products, once."""
    shown = asked.products * asked.labels * asked.kimg * 1000
    real = asked.products * asked.photographs
    pairs = asked.synthetic * asked.photographs
    operations = asked.products * (2 * asked.labels + 4) * CARD_REQUESTS
    photographs_gb = real * 125 * 1024 / 1e9  # of the JPEG that serving was measured with
    return [
        Stage("ingest: photographs of 125 KiB", 0, real, real, photographs_gb),
        Stage(f"train {asked.labels} generators each, 64 px, {asked.kimg:g} kimg", shown / rates.training / 3600,
              operations / 2, real, 0.0),
        Stage("synthesise into the store, 64 px", asked.synthetic / rates.synthesis / 3600, asked.synthetic, 0,
              asked.synthetic * rates.image_bytes / 1e9),
        Stage("score by the judge, at 224 px", asked.synthetic / rates.forward / 3600, operations / 2,
              asked.synthetic),
        Stage("filter: novelty gate", pairs / 1e9 * rates.gate_s / 3600, asked.products, asked.synthetic + real),
    ]  # fmt: skip


def bounds(asked: Asked, rates: Rates) -> list[Bound]:
    """What is met, the scarcest first."""
    pod = yaml.safe_load_all((ROOT / "deploy/kubernetes/base/classifier-serving.yaml").read_text())
    deployment = next(one for one in pod if one["kind"] == "Deployment")
    limit = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    pod_mb = float(limit.removesuffix("Gi")) * 1024
    replicas = deployment["spec"]["replicas"]
    training_s = asked.products * asked.labels * asked.kimg * 1000 / rates.training
    synthesis_s = asked.synthetic / rates.synthesis
    a_second = asked.cameras * asked.per_camera
    lines = asked.synthetic / asked.products + asked.photographs
    connections = ServiceSettings.model_fields["connections"].default
    pods = replicas * CORES / rates.serving_ms * 1000
    jobs = "trainings as Jobs of their own (kubernetes.md), as many at once as there are machines; GPUs"
    met = [
        Bound("models in one serving pod's memory", (pod_mb - rates.service_mb) / rates.model_mb + 1, asked.products,
              "`--model` names those of a hall's cameras; a Deployment for each hall"),
        Bound("seconds of an hour, for a pod to load all models", 3600, asked.products * rates.model_s,
              "the same; until then the other pods answer"),
        Bound("seconds of a month, for one generator service to train all", MONTH_S, training_s, jobs),
        Bound("seconds of a month, for one generator service to synthesise all", MONTH_S, synthesis_s, "as above"),
        Bound("seconds of a month, for one classifier service to score all", MONTH_S, asked.synthetic / rates.forward,
              "several services"),
        Bound("pictures a second of the base's serving pods, two cores each", pods, a_second,
              "more pods: `kubectl scale`, or the autoscaler"),
        Bound("connections of one serving pod", connections, asked.cameras, "more pods"),
        Bound("lines of a product's manifest", MAX_LINES, lines, "DEFECTORY_MAX_MANIFEST_LINES"),
        Bound("lists between two polls of the store, at 50 ms each", POLL_S / 0.05, asked.products * FILES / LISTED,
              "a longer `--poll-s`"),
    ]  # fmt: skip
    return sorted(met, key=lambda bound: bound.times)


def main() -> None:
    """Compute, print, and write."""
    asked, write = _asked()
    rates = Rates.measured()
    work = stages(asked, rates)
    columns = ("work, once", "hours of a 2-core machine", "puts, millions", "gets, millions", "GB stored", "cost, $")
    rows = [stage.row(asked) for stage in work]
    met = [
        [bound.what, f"{bound.there:,.0f}", f"{bound.needed:,.0f}", f"{bound.times:,.2f}", bound.instead]
        for bound in bounds(asked, rates)
    ]
    headings = ("bound", "there is", "needed", "fits times", "what is done about it")
    command = "python -m bench.scale --write"
    notes = _notes(asked, rates, work)
    if write:
        record("The work", command, columns, rows, notes, ("pyyaml",), PAGE)
        record("What is met first", command, headings, met, BOUNDS, ("pyyaml",), PAGE)
    for table in ((columns, *rows), (headings, *met)):
        sys.stdout.write("\n".join(" | ".join(cells) for cells in table) + "\n\n")
    sys.stdout.write(notes + "\n")


def _notes(asked: Asked, rates: Rates, work: list[Stage]) -> str:
    a_second = asked.cameras * asked.per_camera
    cores = a_second * rates.serving_ms / 1000
    gpu_hours = asked.products * asked.labels * GPU_HOURS
    month = cores * asked.core_price * MONTH_S / 3600
    return (
        f"{asked.products:,} products of {asked.labels} labels and {asked.photographs} photographs, "
        f"{asked.synthetic:,} synthetic images, {asked.cameras} cameras of {asked.per_camera:g} pictures a second. "
        f"Prices are an example, and options of the command: $ {asked.put_price:g} for a million puts, "
        f"{asked.get_price:g} for a million gets, {asked.gigabyte_price:g} for a GB and month, "
        f"{asked.core_price:g} for a core's hour. The hours of ingest were not measured; retries, lists and "
        "checkpoints are not counted.\n\n"
        f"**Serving** takes {cores:,.1f} cores for {a_second:g} pictures a second ({rates.serving_ms:g} ms of a core "
        f"each, callers included): $ {month:,.0f} a month, and no request to the store.\n\n"
        f"**On GPUs** no rate was measured. At the goal of an hour for 300 kimg at 512 px the generators take "
        f"{gpu_hours:,.0f} hours of an H100, $ {gpu_hours * asked.gpu_price:,.0f} at {asked.gpu_price:g} an hour; one "
        f"GPU is at it for {gpu_hours / 24:,.0f} days. On CPUs, at 64 px, training is "
        f"{work[1].hours / sum(stage.hours for stage in work):.0%} of all hours."
    )


def _asked() -> tuple[Asked, bool]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=1000)
    parser.add_argument("--labels", type=int, default=3, help="of each product, a generator each")
    parser.add_argument("--photographs", type=int, default=500, help="of each product")
    parser.add_argument("--synthetic", type=int, default=10_000_000, help="images of all products")
    parser.add_argument("--kimg", type=float, default=40, help="thousands of images that a training shows")
    parser.add_argument("--cameras", type=int, default=200)
    parser.add_argument("--per-camera", type=float, default=1.0, help="pictures a second")
    parser.add_argument("--put-price", type=float, default=5.0, help="$ for a million")
    parser.add_argument("--get-price", type=float, default=0.4, help="$ for a million")
    parser.add_argument("--gigabyte-price", type=float, default=0.023, help="$ for a month")
    parser.add_argument("--core-price", type=float, default=0.04, help="$ for an hour")
    parser.add_argument("--gpu-price", type=float, default=3.0, help="$ for an hour")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/scale.md")
    given = vars(parser.parse_args())
    write = given.pop("write")
    return Asked(**given), write


if __name__ == "__main__":
    main()
