"""Train, validation and test: whole groups only, each label in its proportions as far as the groups permit."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from defectory.datasets.manifest_line import ManifestLine, Split
from defectory.errors import InvalidInput
from defectory.job_settings.choices import SplitName

SPLIT_NAMES: tuple[Split, ...] = get_args(SplitName)
DEFAULT_SHARES = (0.6, 0.2, 0.2)
MIN_GROUPS = 3  # of a label: one for each split
MIN_HELD_OUT = 10  # validation images of a label: with fewer, the interval of any metric holds every answer


def split_by_group(
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int = 0,
    shares: tuple[float, float, float] = DEFAULT_SHARES,
    fixed: Mapping[str, Split] | None = None,
) -> list[Split]:
    """Give each image a split so that no group straddles two.

    Greedy: groups that hold the largest part of a label come first (order among equals by seed), and each goes where
    its images are missed most, measured against every label's own target. Then a split that lacks a label gets a group
    of it from a split that can spare one: a label with a group for every split is in every split, unless its groups
    are tied to other labels that cannot be spared.

    Args:
        labels: (N,) label of each image (finer kinds stratify finer).
        groups: (N,) group of each image.
        seed: any integer; the same seed and input give the same split.
        shares: of train, validation and test, in this order; at least 0, train above 0, sum 1.
        fixed: group -> split for groups whose split was given.

    Returns:
        (N,) split of each image.

    Raises:
        InvalidInput: the shares are not shares, or the lengths differ.
    """
    if len(labels) != len(groups):
        raise InvalidInput(f"{len(labels)} labels but {len(groups)} groups: give one of each for every image")
    check_shares(shares)
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    placed: dict[str, Split] = {group: split for group, split in (fixed or {}).items() if group in members}
    _place(members, placed, seed, dict(zip(SPLIT_NAMES, shares, strict=True)))
    _mend(members, placed, frozenset(fixed or {}), dict(zip(SPLIT_NAMES, shares, strict=True)))
    return [placed[group] for group in groups]


def check_shares(shares: Sequence[float]) -> None:
    """Raise InvalidInput unless the shares are three numbers, none below 0, train above 0, that sum to 1."""
    right = "three numbers, for train, validation and test, none below 0, train above 0, that sum to 1"
    if len(shares) != 3 or min(shares) < 0 or shares[0] <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InvalidInput(f"the split is {tuple(shares)}; use {right}", {"split": right})


def _place(
    members: Mapping[str, Counter[str]], placed: dict[str, Split], seed: int, shares: Mapping[Split, float]
) -> None:
    """Give every group that has none a split."""
    totals: Counter[str] = Counter()
    for counts in members.values():
        totals.update(counts)
    filled: dict[Split, Counter[str]] = {split: Counter() for split in SPLIT_NAMES}
    for group, split in placed.items():
        filled[split].update(members[group])

    names = sorted(group for group in members if group not in placed)
    random.Random(seed).shuffle(names)
    names.sort(key=lambda group: -max(count / totals[label] for label, count in members[group].items()))
    for group in names:
        split = max(
            (s for s in SPLIT_NAMES if shares[s] > 0),
            key=lambda s: (_gain(members[group], filled[s], totals, shares[s]), shares[s]),
        )
        placed[group] = split
        filled[split].update(members[group])


def _gain(group: Counter[str], filled: Counter[str], totals: Counter[str], share: float) -> float:
    """How much nearer a split comes to its targets: in shares of each label, relative to the split's own size."""
    gain = 0.0
    for label, count in group.items():
        target = share * totals[label]
        before, after = filled[label] - target, filled[label] + count - target
        gain += (before * before - after * after) / (totals[label] * target)
    return gain


def _mend(
    members: Mapping[str, Counter[str]],
    placed: dict[str, Split],
    fixed: frozenset[str],
    shares: Mapping[Split, float],
) -> None:
    """Move a group into a split that lacks its label, from one that loses no label by it."""
    wanted = [split for split in SPLIT_NAMES if shares[split] > 0]
    for label in sorted({label for counts in members.values() for label in counts}):
        for split in wanted:
            holders = [group for group, counts in members.items() if label in counts]
            if any(placed[group] == split for group in holders):
                continue
            movable = [g for g in holders if g not in fixed and _spared(members, placed, g)]
            if movable:
                smallest = min(movable, key=lambda g: (sum(members[g].values()), g))
                placed[smallest] = split


def _spared(members: Mapping[str, Counter[str]], placed: Mapping[str, Split], group: str) -> bool:
    """Whether a group's split keeps each of its labels without it."""
    home = placed[group]
    others = (counts for name, counts in members.items() if name != group and placed[name] == home)
    left = {label for counts in others for label in counts}
    return set(members[group]) <= left


def counts(lines: Iterable[ManifestLine]) -> dict[str, dict[str, int]]:
    """split -> label -> number of images."""
    by_split: dict[str, dict[str, int]] = {}
    for line in lines:
        split = by_split.setdefault(line.split, {})
        split[line.label] = split.get(line.label, 0) + 1
    return by_split
