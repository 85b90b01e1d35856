"""The versions that are served: found, loaded, checked, switched; what is broken is remembered and left alone."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass

import structlog

from defectory.errors import Corrupted, DefectoryError, NotFound, Refused, Unavailable
from defectory.models import check_name, read_labels, version_number
from defectory.serving.admission import Admission
from defectory.serving.turn import Remaining, turn
from defectory.storage.store import ObjectStore
from services.classifier.card import KIND, ClassifierCard
from services.classifier.serving.batching import Lane
from services.classifier.serving.choice import DEFAULT, absent, candidates
from services.classifier.serving.drift import Watch
from services.classifier.serving.listing import Files, listed
from services.classifier.serving.metrics import LOAD_FAILURES, SERVED

KEPT = 4  # versions that were asked for by number and are nobody's default
WAITING = 64  # calls at once that may wait for versions being loaded, apart from those that wait for an answer
LOADED = "other versions were loaded"  # while who is refused has waited
READ_ANEW: Files = ()  # the files of a version that is to be tried again whatever lies there

log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Served:
    """One version, ready to answer. Calls hold it while they need it; when none does and it is replaced, it is gone."""

    card: ClassifierCard
    lane: Lane
    watch: Watch


@dataclass(frozen=True)
class _Model:
    """What a name stands for now."""

    default: Served | None  # None: no version of it works
    labels: Mapping[str, str]
    labelled: Mapping[str, Served]  # label -> version


class ModelRegistry:
    """Answers "which version?" from many threads, and follows the store.

    Args:
        load: makes a version ready ("name/version"); it checks what it loads, and raises what is wrong with it.
        wanted: {name: version or ""} to serve; empty: every model in the store.
        poll_s: seconds between looks into the store; 0: a look at every question, and nothing is loaded ahead.
    """

    def __init__(
        self, store: ObjectStore, load: Callable[[str], Served], wanted: Mapping[str, str], poll_s: float
    ) -> None:
        self._store = store
        self._load = load
        self._wanted = dict(wanted)
        self._poll_s = poll_s
        self._lock = threading.Lock()  # held for moments only
        self._loading = threading.Lock()  # one version after the other, so that loading takes one core at most
        self._models: dict[str, _Model] = {}
        self._asked: OrderedDict[tuple[str, str], Served] = OrderedDict()
        self._broken: dict[tuple[str, str], tuple[Files, DefectoryError]] = {}  # -> (its files then, why)
        self._absent: list[str] = []  # of what is wanted
        self._waiting = Admission(WAITING, "calls")
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._on_ready: Callable[[], None] = lambda: None
        self._poller = threading.Thread(target=self._poll, name="versions", daemon=True)

    def start(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Begin to follow the store; call back when it is ready."""
        self._on_ready = on_ready
        if self._poll_s == 0:
            self._become_ready()
        else:
            self._poller.start()

    def close(self) -> None:
        """Stop following the store."""
        self._stop.set()
        if self._poller.is_alive():
            self._poller.join()

    @property
    def ready(self) -> bool:
        """Whether every model that is to be served was loaded, or found to be broken."""
        return self._ready.is_set()

    def get(self, name: str, version: str = "", remaining_s: Remaining = lambda: None) -> Served:
        """The version that answers for a name and a version, a label, or "".

        Raises:
            NotFound: no such model, version or label. Corrupted: its bundle is broken. InvalidInput: no name.
            Expired: the caller's time is over before other versions are loaded. Exhausted: too many wait for that.
        """
        check_name(name, "model")
        if self._wanted and name not in self._wanted:
            raise NotFound(f"classifier {name!r} is not served here; served are {', '.join(sorted(self._wanted))}")
        model = self._model(name)
        if self._poll_s == 0 or model is None:
            with self._waiting.admitted(1):
                self.refresh(name, remaining_s)
            model = self._model(name)
        if not version:
            return self._default(name, model)
        number = version_number(KIND, name, version, model.labels if model else {})
        if not self._is_wanted(name, number):
            raise NotFound(
                f"version {number} of classifier {name!r} is not served here; served is {self._wanted[name]}"
            )
        return self._version(name, number, remaining_s)

    def is_ready(self, name: str, version: str = "") -> bool:
        """Whether a model can be asked without loading anything."""
        model = self._model(name)
        if model is None:
            return False
        if not version:
            return model.default is not None
        number = model.labels.get(version, version)
        return any(served.card.version == number for served in self._loaded(name))

    def versions(self, name: str) -> list[str]:
        """Versions of a model that are loaded, newest first."""
        return sorted({served.card.version for served in self._loaded(name)}, key=int, reverse=True)

    def refresh(self, only: str = "", remaining_s: Remaining = lambda: None) -> None:
        """Look into the store, load what is new, switch to it; of all models, each by itself, or of one.

        Raises:
            Unavailable, …: the store cannot be listed, or answers for no model at all; or what `only` fails with.
        """
        files = listed(self._store, only)
        if not only:
            self._tell_absent({name: set(versions) for name, versions in files.items()})
        known = set(self._known())
        names = files.keys() | (known & {only} if only else known)
        failed: list[Exception] = []
        followed = sorted(name for name in names if not self._wanted or name in self._wanted)
        for name in followed:
            try:
                self._follow(name, files.get(name, {}), remaining_s)
            except Exception as error:  # one model's, so it must not keep the others from being served
                if only:
                    raise
                failed.append(error)
                cause = None if isinstance(error, DefectoryError) else error
                log.error("model left as it is", model=name, error=str(error), exc_info=cause)
        if failed and len(failed) == len(followed) and all(isinstance(error, Unavailable) for error in failed):
            raise failed[0]  # it is the store that is away, not a model

    def _is_wanted(self, name: str, version: str) -> bool:
        return self._wanted.get(name, "") in ("", version)

    def _tell_absent(self, versions: Mapping[str, Collection[str]]) -> None:
        missing = absent(self._wanted, versions)
        if missing != self._absent:
            self._absent = missing
            if missing:
                log.error("models that are to be served are not in the store", models=missing, store=self._store.url)
            else:
                log.info("all models that are to be served are in the store")

    def _follow(self, name: str, files: Mapping[str, Files], remaining_s: Remaining) -> None:
        with turn(self._loading, remaining_s, LOADED):
            before = self._model(name)
            labels = self._labels(name, before)
            serving = before.default if before else None
            versions = sorted(files, key=int, reverse=True)
            pinned = self._wanted.get(name, "")
            tried: dict[str, Served | None] = {}  # what answers in several roles is loaded once
            default = None
            for version in candidates(versions, labels, pinned, serving.card.version if serving else ""):
                tried[version] = default = self._try(name, version, files[version])
                if default is not None:
                    break
            labelled = {}
            for label, version in labels.items():
                if version not in tried and version in files and self._is_wanted(name, version):
                    try:
                        tried[version] = self._try(name, version, files[version])
                    except Unavailable as error:  # no reason not to serve the default
                        log.error("label left as it is", model=name, label=label, error=str(error))
                served = tried.get(version)
                if served is not None:
                    labelled[label] = served
            # What works goes on, though its files may be gone: callers matter more than the store's order.
            model = _Model(default or serving, labels, labelled)
            self._switch(name, model if versions or labels or serving else None, before)

    def _switch(self, name: str, model: _Model | None, before: _Model | None) -> None:
        with self._lock:
            if model is None:
                self._models.pop(name, None)
            else:
                self._models[name] = model
        old, new = _roles(before), _roles(model)
        for role in old.keys() | new.keys():
            if old.get(role) != new.get(role):
                log.info("switched", model=name, label=role, before=old.get(role, ""), now=new.get(role, ""))
                if role in old:
                    SERVED.remove(name, old[role], role)
                if role in new:
                    SERVED.labels(name, new[role], role).set(1)

    def _labels(self, name: str, before: _Model | None) -> Mapping[str, str]:
        try:
            return read_labels(self._store, KIND, name)
        except Refused as error:
            if before is None:
                raise  # the newest version might be one that is not yet to be used
            log.error("labels cannot be read", model=name, error=str(error))
            return before.labels
        except Corrupted as error:
            log.error("labels cannot be read", model=name, error=str(error))
            return before.labels if before else {}

    def _default(self, name: str, model: _Model | None) -> Served:
        if model is not None and model.default is not None:
            return model.default
        if faults := self._faults(name):
            raise faults[0]
        pinned = self._wanted.get(name, "")
        raise NotFound(f"there is no classifier {name!r}{' ' + pinned if pinned else ''} in {self._store.url}")

    def _version(self, name: str, version: str, remaining_s: Remaining) -> Served:
        loaded = next((served for served in self._loaded(name) if served.card.version == version), None)
        if loaded is None:
            with self._waiting.admitted(1):
                loaded = self._load_anew(name, version, remaining_s)
        with self._lock:
            self._asked[name, version] = loaded
            self._asked.move_to_end((name, version))
            while len(self._asked) > KEPT:
                self._asked.popitem(last=False)
        return loaded

    def _load_anew(self, name: str, version: str, remaining_s: Remaining) -> Served:
        files = listed(self._store, name).get(name, {})
        if version not in files:
            has = ", ".join(sorted(files, key=int, reverse=True)) or "none"
            raise NotFound(f"classifier {name!r} has no version {version!r}; it has {has}")
        if fault := self._fault(name, version, files[version]):
            raise fault  # without waiting for others being loaded
        with turn(self._loading, remaining_s, LOADED):
            loaded = self._try(name, version, files[version])
            if loaded is None:
                raise copy(self._broken[name, version][1])
            return loaded

    def _fault(self, name: str, version: str, files: Files) -> DefectoryError | None:
        """What is known to be wrong with a version whose files are these.

        Errors are kept without the frames they came from, and whoever raises one raises a copy: an error that many
        calls raise keeps what all of them held.
        """
        known = self._broken.get((name, version))
        return copy(known[1]) if known is not None and known[0] == files else None

    def _faults(self, name: str) -> list[DefectoryError]:
        """What is known to be wrong with a model's versions."""
        return [copy(why) for (n, _), (_, why) in list(self._broken.items()) if n == name]

    def _try(self, name: str, version: str, files: Files) -> Served | None:
        """The version as it is loaded already, or loaded now; None where it is broken. Called under `_loading`."""
        loaded = next((served for served in self._loaded(name) if served.card.version == version), None)
        if loaded is not None:
            return loaded
        if self._fault(name, version, files):
            return None
        LOAD_FAILURES.labels(name, version)  # at 0 before it may be 1
        try:
            served = self._load(f"{name}/{version}")
        except Unavailable:
            raise  # the store's fault, not the version's: the next look tries again
        except Exception as error:
            why = error if isinstance(error, DefectoryError) else Corrupted(f"classifier {name}/{version}: {error}")
            self._broken[name, version] = READ_ANEW if isinstance(error, Refused) else files, copy(why)
            LOAD_FAILURES.labels(name, version).inc()
            log.error("version cannot be served", model=name, version=version, error=str(error))
            return None
        self._broken.pop((name, version), None)
        return served

    def _loaded(self, name: str) -> list[Served]:
        with self._lock:
            model = self._models.get(name)
            resident = [] if model is None else [*([model.default] if model.default else []), *model.labelled.values()]
            return resident + [served for (n, _), served in self._asked.items() if n == name]

    def _model(self, name: str) -> _Model | None:
        with self._lock:
            return self._models.get(name)

    def _known(self) -> list[str]:
        with self._lock:
            return list(self._models)

    def _become_ready(self) -> None:
        if not self._ready.is_set():
            self._ready.set()
            self._on_ready()

    def _poll(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
                self._become_ready()
            except DefectoryError as error:
                log.warning("the store could not be looked into", error=str(error))
            except Exception as error:  # a fault in one look must not end all later ones
                log.error("looking for versions failed", exc_info=error)
            self._stop.wait(self._poll_s)


def _roles(model: _Model | None) -> dict[str, str]:
    if model is None:
        return {}
    roles = {label: served.card.version for label, served in model.labelled.items()}
    return roles | ({DEFAULT: model.default.card.version} if model.default else {})
