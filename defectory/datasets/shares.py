"""Whether a label has photographs enough to train a generator on and to judge it by, and what to do if not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from defectory.datasets.layouts.source import Source
from defectory.datasets.splits import MIN_HELD_OUT

MIN_TRAINED = 20  # training images of a label: with fewer, generators do more harm than good
MOST = 10**6  # images of a label, up to which it is looked for how many are enough
LARGEST_SHARE = 0.5  # of one split, exclusive


@dataclass(frozen=True)
class Shares:
    """Shares of the groups that validate and test; the rest trains. The test's stays as it is."""

    validation: float
    test: float


def lacking(counts: Mapping[str, Mapping[str, int]], shares: Shares | None) -> str:
    """What labels lack, and one way that mends it for all of them; empty where nothing is lacking.

    The way is a validation share that leaves every label enough of both, or else how many more photographs there have
    to be, and the share to divide those by, unless that is the one they are divided by already. Parts with several
    photographs stay whole, so splits come out somewhat otherwise than shares say.

    Args:
        counts: split -> label -> images.
        shares: that divide these photographs; None: none do.
    """
    train, validation = counts.get("train", {}), counts.get("validation", {})
    labels = sorted({label for split in counts.values() for label in split})
    few = [label for label in labels if train.get(label, 0) < MIN_TRAINED or validation.get(label, 0) < MIN_HELD_OUT]
    if not few:
        return ""
    total = {label: sum(split.get(label, 0) for split in counts.values()) for label in labels}
    named = ", ".join(
        f"{label} has {train.get(label, 0)} and {validation.get(label, 0)}, of {total[label]}" for label in few
    )
    return (
        f"a generator wants {MIN_TRAINED} training images of a label and {MIN_HELD_OUT} validation images to be judged "
        f"by: {named}; {_right(total, few, shares)}"
    )


def divides(source: Source) -> bool:
    """Whether shares divide a folder's photographs, not splits that came with them."""
    return all(file.split == "none" for file in source.files)


def share_for(images: int, test_share: float) -> float | None:
    """The least validation share, in hundredths, that leaves so many images of a label enough; None: no share does."""
    share = math.ceil(100 * MIN_HELD_OUT / images) / 100 if images else LARGEST_SHARE
    enough = math.floor(images * (1 - test_share - share) + 1e-9) >= MIN_TRAINED
    return share if share < LARGEST_SHARE and enough else None


def _right(total: Mapping[str, int], few: list[str], shares: Shares | None) -> str:
    plainly = f"photograph more of {' and '.join(few)}"
    if shares is None:
        return plainly
    missing, wanted = {}, 0.0
    for label, images in total.items():
        enough = ((n, share) for n in range(images, MOST) if (share := share_for(n, shares.test)) is not None)
        needed, share = next(enough, (0, 0.0))
        if not needed:  # the test takes nearly all
            return plainly
        wanted = max(wanted, share)  # the smallest label's, which leaves larger ones even more
        if needed > images:
            missing[label] = needed - images
    typed = "" if math.isclose(wanted, shares.validation) else f"--validation-share {wanted:.2f}"
    if not missing:
        return f"{typed} gives both" if typed else plainly  # parts of several photographs came out otherwise
    more = " and ".join(f"{count} more photograph{'s' * (count > 1)} of {label}" for label, count in missing.items())
    return f"no share gives both; with {more}{f', and {typed},' * bool(typed)} there are both"
