"""Names of folders and cells that mean something else than a label, and words for a good part."""

import re

from defectory.datasets.manifest_line import Split

SPLITS: dict[str, Split] = {
    "train": "train", "training": "train", "trn": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation", "eval": "validation",
    "test": "test", "testing": "test", "tst": "test", "holdout": "test",
}  # fmt: skip
ANNOTATIONS = frozenset({  # a picture in such a folder that is no photograph is a mask
    "labels", "annotations", "annotation", "ann", "anns", "anno", "annos", "annot", "annots",
})  # fmt: skip
CONTAINERS = frozenset({
    "images", "image", "imgs", "img", "data", "dataset", "datasets", "photos", "photographs", "pictures", "pics",
    "jpegimages", "obj_train_data", "obj_valid_data", "obj_test_data", "classes", "files", "raw", "input", "inputs",
}) | ANNOTATIONS  # fmt: skip
MASKS = frozenset({
    "mask", "masks", "ground_truth", "groundtruth", "ground_truths", "gt", "gts", "segmentation", "segmentations",
    "label", "segmentationclass", "segmentationobject", "binary_masks", "mask_images", "masks_images",
})  # fmt: skip
NOTHING = frozenset({
    "", "no_label", "nolabel", "unlabeled", "unlabelled", "unlabeled_images", "none", "null", "nan", "n_a", "na",
    "unknown", "unassigned", "unclassified", "not_labeled", "not_labelled",
})  # fmt: skip
GOOD = (
    "good", "ok", "okay", "pass", "passed", "normal", "no_defect", "no_defects", "defect_free", "defectfree",
    "non_defective", "nondefective", "without_defect", "free", "intact", "accepted", "accept", "i_o", "io", "negative",
)  # fmt: skip
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", "(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(  # and, behind it, what time it was
    rf"(?:{_YEAR}_{_MONTH}_{_DAY}|{_DAY}_{_MONTH}_{_YEAR}|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
    r"(?:_?t?\d\d_?\d\d(?:_?\d\d)?)?"
)
_SPLIT = re.compile(rf"({'|'.join(SPLITS)})(?:_?(?:set|data|images?|imgs?|split|public|private|\d+))*")
_MASK = r"(?:masks?|gts?|ground_?truths?|seg|segmentations?)"
_MASKS_FOR = re.compile(rf"(?P<behind>.+?)[ _.\-]+{_MASK}|{_MASK}[ _.\-]+(?P<before>.+)", re.IGNORECASE)
_FOLD = re.compile(r"(?:fold|split)_?\d+")


def plain(name: str) -> str:
    """A name in lower case, its words joined by "_": "No-Defect " -> "no_defect"."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def split_of(name: str) -> Split | None:
    """The split that a folder or cell names (train, Val, test_set, …); "none" for a fold; None where it names none."""
    word = plain(name)
    if match := _SPLIT.fullmatch(word):
        return SPLITS[match[1]]
    return "none" if _FOLD.fullmatch(word) else None


def spelled(label: str) -> str:
    """What labels have in common that differ only in capitals and in what joins their words."""
    return re.sub(r"(?<=\w)[\s_\-]+(?=\w)", " ", label.strip().casefold())


def is_no_label(name: str) -> str:
    """What a name says in place of a label: "split", "container", "mask", "date" or "nothing"; "" for a label."""
    if split_of(name):
        return "split"
    if _DATE.fullmatch(plain(name)):
        return "date"
    kinds = {"container": CONTAINERS, "mask": MASKS, "nothing": NOTHING}
    return next((kind for kind, words in kinds.items() if plain(name) in words), "")


def masks_for(folder: str) -> str:
    """The folder of the photographs whose masks a folder holds by its name ("hole" for "hole_masks"); "": none."""
    match = _MASKS_FOR.fullmatch(folder)
    return (match["behind"] or match["before"]) if match else ""


def goods_among(labels: set[str]) -> list[str]:
    """The labels that can mean "no defect", as they are spelled here, most usual word first.

    "0" means it only beside nothing but "1": among more numbers it is one of them.
    """
    if {label.strip() for label in labels} == {"0", "1"}:
        return [label for label in labels if label.strip() == "0"]
    return sorted((label for label in labels if plain(label) in GOOD), key=lambda label: GOOD.index(plain(label)))
