"""Writes the page of an experiment from what `defectory experiment … --out DIR` left, figures and tables beside it.

    python -m bench.experiment_results build/proof docs/results/NAME examples/experiments/NAME.yaml

Every figure of the page is read from `proof.json`; nothing is chosen by what it says.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

KEPT = (
    "scores.csv", "worth.csv",
    *(f"{chart}.{ending}" for chart in ("gains", "folds", "cost", "kinds", "shares-1", "learning_curve")
      for ending in ("csv", "png")),
)  # fmt: skip
PER_CENT = 100.0
COST = "cost of 1,000 parts"


def write_page(out: Path, folder: Path, spec: Path) -> Path:
    """Copy an experiment's files to a folder and write its page beside the folder.

    Raises:
        FileNotFoundError: `out` holds no experiment.
    """
    said = json.loads((out / "proof.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    kept = [name for name in KEPT if (out / name).exists()]
    for name in kept:
        shutil.copyfile(out / name, folder / name)
    shutil.copyfile(spec, folder / "spec.yaml")
    for path in ("directory", "groups"):  # of the machine that it ran on
        said["spec"]["data"].pop(path, None)
    (folder / "proof.json").write_text(json.dumps(said, indent=1) + "\n")
    page = folder.with_suffix(".md")
    page.write_text("\n".join(_lines(said, folder.name, kept)) + "\n")
    return page


def _lines(said: Mapping[str, Any], folder: str, kept: Sequence[str]) -> Iterator[str]:
    spec, design, proof = said["spec"], said["design"], said["proof"]
    yield f"# {spec['name']}"
    yield ""
    command = f"defectory experiment examples/experiments/{folder}.yaml --out build/proof"
    yield f"The experiment of `{command}`; written by `python -m bench.experiment_results` from its files."
    yield ""
    yield (
        f"{design['photographs']} photographs of {design['parts']} parts, {design['defective_parts']} defective; "
        f"{spec['folds']} folds, {spec['seeds']} seeds. The score that decides is {design['primary']}. Specs that have "
        f"looked at this test in this store: {len(said['openings'])}."
    )
    yield ""
    yield from (f"- {sentence}" for sentence in said["verdict"])
    yield ""
    arms = list(proof["scores"])
    yield from _table(["score", *arms], [
        [score, *(_figure(proof["scores"][arm][score], score) for arm in arms)] for score in proof["scores"][arms[0]]
    ])  # fmt: skip
    yield ""
    yield f"Less {spec['reference']}, points (of {COST} as it is), with 95% intervals over folds, seeds and test parts:"
    yield ""
    others = list(proof["gains"])
    yield from _table(["score", *others], [
        [score, *(_figure(proof["gains"][arm][score], score, signed=True) for arm in others)]
        for score in proof["gains"][others[0]]
    ])  # fmt: skip
    if said["trials"]:
        yield from ("", "Tried on validation before:", "")
        yield from _table(["experiment", "arm", "settings", "gain, points"], [
            [trial["experiment"], name, f"`{json.dumps(arm['settings'])}`", _trial(arm, trial)]
            for trial in said["trials"] for name, arm in trial["arms"].items()
        ])  # fmt: skip
    yield ""
    yield from (f"![{name.removesuffix('.png')}]({folder}/{name})" for name in kept if name.endswith(".png"))
    yield ""
    tables = ", ".join(
        f"[{name}]({folder}/{name})" for name in ("spec.yaml", "proof.json", *kept) if not name.endswith(".png")
    )
    yield f"Files: {tables}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _trial(arm: Mapping[str, Any], trial: Mapping[str, Any]) -> str:
    if arm["gain"] is None:
        return f"{trial['reference']} itself"
    value, low, high = arm["gain"]
    return _figure({"value": value, "low": low, "high": high}, trial["primary"], signed=True)


def _figure(figure: Mapping[str, float | None], score: str, *, signed: bool = False) -> str:
    if figure["value"] is None:
        return "–"
    scale = 1.0 if score == COST else PER_CENT
    value, low, high = (
        f"{scale * (figure[name] or 0.0):{'+' if signed else ''}.1f}" for name in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"


def main() -> None:
    """Read what to write where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder of --out")
    parser.add_argument("folder", type=Path, help="where its files go; the page lies beside it")
    parser.add_argument("spec", type=Path, help="the spec that was run")
    arguments = parser.parse_args()
    sys.stdout.write(f"{write_page(arguments.out, arguments.folder, arguments.spec)}\n")


if __name__ == "__main__":
    main()
