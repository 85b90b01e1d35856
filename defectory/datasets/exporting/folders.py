"""Class folders in split folders: what Keras, torchvision and YOLO's classification read."""

from collections.abc import Sequence

from defectory.datasets.exporting.picture import Exported, Picture, check_folders, folder_of


def write(pictures: Sequence[Picture], good: str) -> Exported:
    """`images/<split>/<label>/x.png`, without the split where no image has one; masks in a tree of their own.

    Nothing but class folders lies below `images`: every other folder would be a class or an error to who reads them.
    """
    del good
    check_folders(pictures)
    has_splits = any(picture.line.split != "none" for picture in pictures)

    def path(picture: Picture) -> str:
        inner = f"{folder_of(picture.line.label)}/{picture.name}"
        return f"{picture.split}/{inner}" if has_splits else inner

    return Exported(
        images={picture: f"images/{path(picture)}.png" for picture in pictures},
        masks={picture: f"masks/{path(picture)}_mask.png" for picture in pictures if picture.read_mask},
        documents={},
    )
