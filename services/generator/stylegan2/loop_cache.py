"""Where the compiled loops are kept between processes: a folder that only this user may write to.

What is read there is executed. So a folder that belongs to another user, or that others may write to, is not used; and
the loops' own sources name it, beside the versions of what compiles them, for Numba looks at one file only.
"""

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

UNUSED_S = 14 * 86400.0  # after which a generation is dead: another version of this software may still use its own

log = structlog.get_logger(__name__)


def folder(cache_home: Path, sources: Path, versions: Iterable[str]) -> Path | None:
    """The folder of this generation, made where there is none; None, which is logged, where it cannot be trusted.

    Generations that no process has asked for in two weeks are removed.

    Args:
        cache_home: of the user, as XDG's base directories have it.
        sources: the folder of the loops' Python files.
        versions: of what compiles them.
    """
    loops = cache_home / "defectory" / "loops"
    generation = loops / _generation(sources, versions)
    try:
        loops.parent.mkdir(parents=True, exist_ok=True)
        for path in (loops, generation):
            path.mkdir(mode=0o700, exist_ok=True)
            if reason := _not_ours(path):
                log.warning("compiled loops are not kept", reason=reason)
                return None
        os.utime(generation)
    except OSError as error:
        log.info("compiled loops are not kept", reason=str(error))
        return None
    _remove_dead(loops)
    return generation


def _generation(sources: Path, versions: Iterable[str]) -> str:
    everything = hashlib.sha256(" ".join(versions).encode())
    for file in sorted(sources.glob("*.py")):
        everything.update(file.read_bytes())
    return everything.hexdigest()[:16]


def _not_ours(path: Path) -> str:
    """Why a folder cannot be trusted, empty where it can; a link is looked at itself."""
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return f"{path} is no folder: remove it"
    if status.st_uid != os.geteuid():
        return f"{path} belongs to user {status.st_uid}: remove it, or let XDG_CACHE_HOME name another folder"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to {path}: remove it, and it is made anew for this user only"
    return ""


def _remove_dead(loops: Path) -> None:
    """Remove generations that nobody has used for long; another process may be at it too."""
    for path in loops.iterdir():
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > UNUSED_S:
                shutil.rmtree(path)
