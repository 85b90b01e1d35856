"""What a person names to start from: a folder, a table or a pipeline file; one that is not there names a like one."""

from difflib import get_close_matches
from pathlib import Path

from defectory.errors import NotFound

PIPELINES = (".yaml", ".yml")


def check_exists(path: Path, kinds: str, endings: tuple[str, ...]) -> None:
    """NotFound unless something lies there.

    Args:
        kinds: what was wanted, such as "folder or table".
        endings: those of files that can be meant; a folder always can.
    """
    if path.exists():
        return
    meant = _alike(path, endings)
    raise NotFound(f"there is no {kinds} `{path}`" + (f"; did you mean `{meant}`?" if meant else ""))


def _alike(path: Path, endings: tuple[str, ...]) -> Path | None:
    """The folder or file beside it whose name is most alike."""
    if not path.parent.is_dir():
        return None
    beside = [one for one in sorted(path.parent.iterdir()) if one.is_dir() or one.suffix.lower() in endings]
    names = {one.name.lower(): one for one in beside if not one.name.startswith(".")}
    alike = get_close_matches(path.name.lower(), names, 1)
    return names[alike[0]] if alike else None
