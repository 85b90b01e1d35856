"""What a judge was trained on, by its card: whether it may take a memory of the real images for quality."""

from collections.abc import Sequence

from defectory.datasets.manifest import DEFAULT_READING, Reading, iter_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import Cancelled, DefectoryError
from defectory.models import read_model_card
from defectory.storage.store import ObjectStore

KIND = "classifier"


def doubts(
    store: ObjectStore, model: str, real: Sequence[ManifestLine], reading: Reading = DEFAULT_READING
) -> list[str]:
    """What speaks against a judge's verdicts, each a sentence for a person.

    Args:
        model: "name/version". real: lines of the real images.
    """
    card = read_model_card(store, KIND, *model.split("/"))
    folds, cycles = card.get("settings", {}).get("folds", 0), len(card.get("cycles", ()))
    if 1 < folds <= cycles:
        return []
    try:
        learned = iter_manifest(store, str(card.get("lineage", {}).get("manifest_uri", "")), reading)
        known = {line.file.sha256 for line in learned if line.split == "train"}
    except Cancelled:
        raise
    except DefectoryError:
        return []  # its training images are gone: nothing is known against it
    common = sum(line.split == "train" and line.file.sha256 in known for line in real)
    if not common:
        return []
    fitted = "is not cross-fitted, and"
    if folds > 1:  # made elsewhere, or before this was refused
        common = round(common * (1 - cycles / folds))
        fitted = f"has {folds} folds and {cycles} cycles, each of which leaves out {1 / folds:.0%}: every cycle"
    return [
        f"judge {model} {fitted} knows {common} of the real training images: of synthetic images made from these it "
        "takes what it remembers for quality; train a judge with --folds, and as many --cycles"
    ]
