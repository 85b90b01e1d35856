"""An MVTec AD category: good parts to train on, defects to test on."""

from collections.abc import Sequence

from defectory.datasets.exporting.picture import Exported, Picture, check_folders, folder_of


def write(pictures: Sequence[Picture], good: str) -> Exported:
    """`train/good`, `test/<kind>`, `ground_truth/<kind>/x_mask.png`; the layout knows no defects to train on."""
    check_folders(pictures)
    images, masks = {}, {}
    for picture in pictures:
        is_good = picture.line.label == good
        kind = "good" if is_good else folder_of(picture.kind)
        folder = "train/good" if is_good and picture.line.split != "test" else f"test/{kind}"
        images[picture] = f"{folder}/{picture.name}.png"
        if picture.read_mask and not is_good:
            masks[picture] = f"ground_truth/{kind}/{picture.name}_mask.png"
    defects = [picture for picture in pictures if picture.line.label != good]
    trained = sum(picture.line.split in ("train", "validation") for picture in defects)
    bare = sum(picture.read_mask is None for picture in defects)
    notes = []
    if trained:
        notes.append(
            f"{trained} defects of the splits train and validation lie in test: MVTec AD has none to train on, so do"
            " not compare what is tested on it with this dataset's own test split"
        )
    if bare:
        notes.append(f"{bare} of {len(defects)} defects have no mask; who measures on masks has to leave them out")
    return Exported(images, masks, {}, tuple(notes))
