"""Options that many commands share, and what they become."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.errors import NotFound
from defectory.models import check_name
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.sources import meant_store, of_this_machine

if TYPE_CHECKING:
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.display import Display
    from orchestrator.pipeline.progress import Report
    from orchestrator.pipeline.quiet import Quiet

Store = Annotated[
    str, typer.Option("--store", metavar="URL", help="file:///folder or s3://bucket/prefix (DEFECTORY_STORE).")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Say more while it works: why, what was recognised, every measured value.")
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights", metavar="FILE|starter", help="ImageNet weights of MobileNetV2, or starter (DEFECTORY_WEIGHTS)."
    ),
]
MODEL_HELP = '"name" (its version labelled stable, else the newest), "name/version" or "name/label".'
ClassifierModel = Annotated[str, typer.Argument(help=MODEL_HELP)]
DEFAULT_FOLDER = ".defectory"


def new_name(given: str) -> str:
    """A callback of options that name what is to be made: known to be a name before anything is read or started."""
    if given:
        check_name(given)
    return given


STARTER = "starter"  # the classifier to start from that is shipped with the package


def store_url(given: str) -> str:
    """The store's URL: as given, else DEFECTORY_STORE, else ./.defectory; a plain path means a folder."""
    url = given or os.environ.get("DEFECTORY_STORE", "") or DEFAULT_FOLDER
    return url if "://" in url else Path(url).expanduser().absolute().as_uri()


def opened(given: str, *, make: bool = False) -> ObjectStore:
    """The store of a command.

    Args:
        make: the command fills one; others work on what is there, and a mistyped name makes no folder.

    Raises:
        NotFound: there is none, and none is to be made.
    """
    url = store_url(given)
    try:
        return open_store(url, make=make)
    except NotFound as error:
        raise NotFound(f"{error}{meant_store(url, given)}") from None


def opened_or_empty(given: str) -> ObjectStore:
    """The store of a command, for looking before it works; an empty one in place of one that is not there yet."""
    from defectory.storage.memory import MemoryStore

    try:
        return opened(given)
    except NotFound:
        return MemoryStore(store_url(given))


def dataset_uri(store: ObjectStore, dataset: str) -> str:
    """The manifest's URI of a dataset given by name or by its manifest's URI.

    Raises:
        NotFound: there is none of that name.
    """
    from defectory.alike import did_you_mean
    from defectory.datasets.listing import dataset_names
    from defectory.datasets.manifest import manifest_key, read_card

    if "://" in dataset:
        return dataset
    try:
        read_card(store, dataset)
    except NotFound as error:
        meant = did_you_mean(dataset, dataset_names(store)) or of_this_machine(dataset)
        raise NotFound(f"{error}{meant}") from None
    return store.uri(manifest_key(dataset))


class Session:
    """A command's services and what it shows while they work."""

    def __init__(self, clients: "ServiceClients", display: "Display | Quiet") -> None:
        self.clients = clients
        self._display = display
        self._step = ""
        self._doubt = ""

    def report(self, report: "Report") -> None:
        """Show progress."""
        self._display.progress(self._step, report)

    def warn(self, text: str) -> None:
        """Say what a person should read, also after the work."""
        self._display.warn(text)

    def doubt(self, text: str) -> None:
        """The step that is under way does what it was asked to, but not well: it says so in place of a tick."""
        self._doubt = text

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A piece of work with a line of its own."""
        import time

        clock, self._step, self._doubt = time.monotonic(), name, ""
        self._display.started(name, "waiting for the service")
        yield
        self._display.finished(name, time.monotonic() - clock, doubt=self._doubt)


@contextmanager
def session(
    url: str,
    weights: str = "",
    at: Mapping[str, str] = MappingProxyType({}),
    *,
    verbose: bool = False,
    brief: bool = False,
) -> Iterator[Session]:
    """Services for a command, embedded where no DEFECTORY_<SERVICE>_ADDRESS names one; stopped at the end.

    Args:
        at: service -> address, whatever the environment says.
        brief: the work is over before a person could look at its progress; only what is wrong with it is said.
    """
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder

    environ = os.environ | {f"DEFECTORY_{service.upper()}_ADDRESS": address for service, address in at.items()}
    with (
        _display(verbose, brief) as display,
        EmbeddedServices(
            url, log_folder(url), weights=weights_file(weights), environ=environ, say=display.warn
        ) as endpoints,
    ):
        yield Session(ServiceClients(endpoints, display.warn), display)


def _display(verbose: bool, brief: bool) -> "Display | Quiet":
    if brief and not verbose:
        from orchestrator.pipeline.quiet import Quiet

        return Quiet()
    from orchestrator.pipeline.display import Display

    return Display(verbose=verbose)


def weights_file(given: str) -> str:
    """The weights that a person named, with --weights or DEFECTORY_WEIGHTS: a file's, or the starter's by that word.

    Empty: ImageNet's are to be searched for.
    """
    named = given or os.environ.get("DEFECTORY_WEIGHTS", "")
    return named if named == STARTER else absolute(named)


def weights_content(given: str) -> str:
    """What stands for the weights that a person named where a change of them counts: a file by what it holds.

    A file that only the service can see goes by its path.
    """
    import hashlib

    named = weights_file(given)
    if named == STARTER or not Path(named).is_file():
        return named
    with Path(named).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def absolute(path: str) -> str:
    """A file that a service is told of; the service may run elsewhere."""
    return str(Path(path).expanduser().absolute()) if path else ""


def derived_request_id(step: str, *inputs: object) -> str:
    """The request id of a command: the same command on the same data finds its operation again."""
    import hashlib

    digest = hashlib.sha256("\0".join(map(str, inputs)).encode()).hexdigest()
    return f"{step}-{digest[:32]}"


def content_of(store: ObjectStore, manifest_uri: str) -> str:
    """The content hash of a dataset, so that a changed one is not taken for the same."""
    from defectory.datasets.manifest import content_hash, read_manifest
    from defectory.settings import reading_from_environment

    return content_hash(read_manifest(store, manifest_uri, reading_from_environment()))


def stored_file(store: ObjectStore, file: Path) -> str:
    """A file of this machine as an object of the store, under its content's hash; returns its URI."""
    import hashlib

    with file.open("rb") as content:
        key = f"imports/{hashlib.file_digest(content, 'sha256').hexdigest()}{file.suffix.lower()}"
    if not store.exists(key):
        store.put_file(key, file)
    return store.uri(key)
