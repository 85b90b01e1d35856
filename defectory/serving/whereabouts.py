"""Where this user's servers on this machine are: each leaves a file while it serves, and commands find it.

The file lies in a folder that is the user's alone, and its server holds a lock on it, which the kernel lets go of
however the server ends: a file without its lock is one of the dead, whatever process has its number now.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from defectory.storage.identity import identity


class Whereabouts(NamedTuple):
    """What a server says of itself."""

    service: str
    address: str  # host:port, as this machine reaches it
    store: str  # its identity
    version: str  # of the software


def folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the files are: in XDG_RUNTIME_DIR, else in the user's cache."""
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "defectory"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "defectory" / "run"


@contextmanager
def left(service: str, host: str, port: int, store_url: str) -> Iterator[None]:
    """Leave a server's whereabouts while it serves; where no file can be written it serves without being found."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}
    said = Whereabouts(service, f"{loopback.get(host, host)}:{port}", identity(store_url), version("defectory"))
    try:
        where = folder()
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(where):
            raise PermissionError(f"{where} is another user's, or open to others")
        path = where / f"{service}-{os.getpid()}.json"
        file = _written(path, said)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        from structlog import get_logger  # commands look for servers, too, and need not wait for its import

        get_logger(__name__).info("commands of this machine will not find this server by themselves", reason=str(error))
        yield
        return
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(file)


def find(service: str, store_url: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Addresses of the living servers of this user, of this version of the software, on this store."""
    try:
        where = folder(environ)
        paths = sorted(where.glob(f"{service}-*.json")) if _is_ours(where) else []
    except (OSError, RuntimeError):
        return []
    if not paths:
        return []
    wanted = service, identity(store_url, environ), version("defectory")
    servers = [said for path in paths if (said := _read(path)) is not None]
    return [said.address for said in servers if (said.service, said.store, said.version) == wanted]


def _written(path: Path, said: Whereabouts) -> int:
    """The file's descriptor, which holds the lock; under its own name the file is never seen without it."""
    begun = path.with_suffix(".begun")
    file = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(file, json.dumps(said._asdict()).encode())
        begun.rename(path)
    except BaseException:
        os.close(file)
        raise
    return file


def _read(path: Path) -> Whereabouts | None:
    """What a living server says; None, and the file is taken away, where it is dead."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            about = os.fstat(file.fileno())
            if about.st_uid != os.geteuid() or not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077:
                return None
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Whereabouts(**json.loads(file.read(10_000)))
            path.unlink()
    except (OSError, ValueError, TypeError):
        pass
    return None


def _is_ours(path: Path) -> bool:
    """A folder of this user's into which nobody else can write or look."""
    about = path.lstat()
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077
