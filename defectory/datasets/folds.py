"""Folds: each part is tested in one of them, and no image is stored again."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version

from defectory.datasets.decisions import Decisions, now, write_once
from defectory.datasets.manifest import content_hash
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import InvalidInput
from defectory.models import check_seed
from defectory.storage.store import ObjectStore

LEAST, MOST = 3, 50  # with two, one would be tested on and the other validated on


def fold_by_group(labels: Sequence[str], groups: Sequence[str], folds: int, seed: int = 0) -> list[int]:
    """The fold of every image: no group is in two, and labels are spread evenly as far as the groups permit.

    Greedy: groups that hold the largest part of a label come first (order among equals by seed), and each goes where
    the fewest images of its labels are, measured against all there are of each.

    Raises:
        InvalidInput: the number of folds is out of range, or a label has fewer groups than there are folds.
    """
    if not LEAST <= folds <= MOST:
        right = f"use {LEAST} to {MOST}: one fold is tested on, one validated on, the others are trained on"
        raise InvalidInput(f"{folds} folds: {right}", {"folds": right})
    check_seed(seed)
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    totals = Counter(labels)
    for label in sorted(totals):
        parts = sum(label in counts for counts in members.values())
        if parts < folds:
            right = f"at most {parts} folds, or photographs of more parts"
            raise InvalidInput(f"{label} has {parts} parts, too few for {folds} folds: use {right}", {"folds": right})
    names = sorted(members)
    random.Random(seed).shuffle(names)
    names.sort(key=lambda name: -max(count / totals[label] for label, count in members[name].items()))
    filled: list[Counter[str]] = [Counter() for _ in range(folds)]
    placed = {}
    for name in names:
        own = members[name]
        placed[name] = min(
            range(folds),
            key=lambda f: (sum(n * filled[f][label] / totals[label] for label, n in own.items()), filled[f].total()),
        )
        filled[placed[name]].update(own)
    return [placed[group] for group in groups]


def write_folds(
    store: ObjectStore, dataset: str, lines: Sequence[ManifestLine], folds: int, seed: int = 0, replaces: str = ""
) -> list[str]:
    """Write a document of splits for every fold and return their URIs.

    Fold f is tested on, the next one validated on, the others are trained on. Copies by which a test split was grown
    are used where their part is tested, and nowhere else. Documents that say the same already are not written again.

    Raises:
        InvalidInput: as `fold_by_group` says.
    """
    fold = fold_by_group([x.label for x in lines], [x.part for x in lines], folds, seed)
    of_dataset = content_hash(lines)
    uris = []
    for tested in range(folds):
        splits = {}
        for line, one in zip(lines, fold, strict=True):
            split = {tested: "test", (tested + 1) % folds: "validation"}.get(one, "train")
            splits[line.file.sha256] = "none" if line.origin.augmentation and split != "test" else split
        document = Decisions(
            kind="split",
            dataset=dataset,
            content_hash=of_dataset,
            values=splits,
            by=f"defectory {version('defectory')}",
            settings={"folds": folds, "fold": tested + 1, "seed": seed},
            created_utc=now(),
            replaces=replaces,
            title=f"fold {tested + 1} of {folds}",
        )
        uris.append(write_once(store, document))
    return uris
