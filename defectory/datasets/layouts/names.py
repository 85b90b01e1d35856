"""Names of folders and cells that mean something else than a label, and words for a good part."""

SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
          "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}  # fmt: skip
CONTAINERS = frozenset({
    "images", "image", "imgs", "img", "data", "dataset", "datasets", "photos", "pictures", "jpegimages", "labels",
    "annotations", "obj_train_data", "obj_valid_data", "obj_test_data",
})  # fmt: skip
MASKS = frozenset({"mask", "masks", "ground_truth", "groundtruth", "gt", "segmentation", "segmentations", "label"})
NOTHING = frozenset({"", "no_label", "unlabeled", "unlabelled", "_unlabeled", "none", "null", "nan", "n/a", "unknown"})
GOOD = ("good", "ok", "pass", "passed", "normal", "free", "no_defect", "defect_free", "0")  # proposed in this order


def is_no_label(name: str) -> str:
    """What a name says in place of a label: "split", "container", "mask" or "nothing"; "" where it can be one."""
    word = name.strip().lower()
    kinds = {"split": SPLITS, "container": CONTAINERS, "mask": MASKS, "nothing": NOTHING}
    return next((kind for kind, words in kinds.items() if word in words), "")


def good_among(labels: set[str]) -> str:
    """The label that means "no defect", as it is spelled here; "" where none does."""
    spelled = {label.strip().lower(): label for label in sorted(labels)}
    return next((spelled[word] for word in GOOD if word in spelled), "")
