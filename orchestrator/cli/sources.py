"""What a person names: a folder, a table, a pipeline file, a store; one that is not there names a like one."""

from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote, urlsplit

from defectory.errors import InvalidInput, NotFound

PIPELINES = (".yaml", ".yml")


def check_exists(path: Path, kinds: str, endings: tuple[str, ...]) -> None:
    """NotFound unless something lies there.

    Args:
        kinds: what was wanted, such as "folder or table".
        endings: those of files that can be meant; a folder always can.
    """
    if path.exists():
        return
    raise NotFound(f"there is no {kinds} `{path}`{meant_path(path, endings)}")


def meant_path(path: Path, endings: tuple[str, ...]) -> str:
    """What follows "there is no …": a folder, or a file with one of the endings, that is called alike."""
    meant = _alike(path, endings)
    return f"; did you mean `{meant}`?" if meant else ""


def check_is_file(path: Path, kind: str, endings: tuple[str, ...]) -> None:
    """NotFound or InvalidInput unless it is a file.

    Args:
        kind: of file that was wanted, such as "spec file".
    """
    check_exists(path, kind, endings)
    if path.is_dir():
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in endings)
        right = f"give the {kind}" + (f", such as {inside[0]}" if inside else "")
        raise InvalidInput(f"{path} is a folder: {right}", {kind: right})


def of_this_machine(name: str) -> str:
    """What follows "there is no dataset …" where it is a path's name."""
    if Path(name).is_dir():
        return f"; {name} is a folder of this machine: `defectory ingest {name} --name NAME` makes a dataset of it"
    return f"; {name} is a file of this machine" if Path(name).is_file() else ""


def meant_store(url: str, given: str) -> str:
    """What follows "there is no store at …": one beside it that is called alike, or how one comes to be.

    Args:
        given: as the command's option has it; empty: nobody has named one.
    """
    from defectory.storage.folder import STAGING

    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.scheme == "file" and path.parent.is_dir():
        stores = [one.name for one in path.parent.iterdir() if Path(one, STAGING).is_dir()]
        if alike := get_close_matches(path.name, stores, 1):
            return f"; did you mean {path.parent / alike[0]}?"
    if given:
        return "; `defectory run` and `defectory ingest` make one"
    return "; `defectory run` and `defectory ingest` make one, and --store or DEFECTORY_STORE names another"


def _alike(path: Path, endings: tuple[str, ...]) -> Path | None:
    """The folder or file beside it whose name is most alike."""
    if not path.parent.is_dir():
        return None
    beside = [one for one in sorted(path.parent.iterdir()) if one.is_dir() or one.suffix.lower() in endings]
    names = {one.name.lower(): one for one in beside if not one.name.startswith(".")}
    alike = get_close_matches(path.name.lower(), names, 1)
    return names[alike[0]] if alike else None
