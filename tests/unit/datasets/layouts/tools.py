"""Files that annotation tools wrote, as tests/files/annotation_tools/make.py had them written."""

from pathlib import Path

TOOLS = Path(__file__).parents[3] / "files/annotation_tools"
DATUMARO, LABEL_STUDIO, FIFTYONE = (
    TOOLS / name for name in ("datumaro-1.13.12", "label-studio-sdk-2.1.2", "fiftyone-1.22.1")
)
