"""Which version answers under a model's name: pure rules over what the store has and what works."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from defectory.errors import InvalidInput
from defectory.models import check_name

DEFAULT = "default"  # the metric's name for the version that answers when none is named


def parse_models(text: str) -> dict[str, str]:
    """{name: version or ""} of "screws,cables=3"; empty: every model.

    Raises:
        InvalidInput: not of this form.
    """
    wanted: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, version = entry.partition("=")
        check_name(name, "models")
        if name in wanted:
            right = "name each once; one version of it can be pinned"
            raise InvalidInput(f"models: {name!r} is named twice: {right}", {"models": right})
        if version and not version.isdecimal():
            right = "use NAME or NAME=VERSION, the version a number"
            raise InvalidInput(f"models {entry!r}: {right}", {"models": right})
        wanted[name] = version
    return wanted


def absent(wanted: Mapping[str, str], versions: Mapping[str, Collection[str]]) -> list[str]:
    """What is wanted and not there, as it was asked for.

    Args:
        wanted: {name: version or ""}. versions: {name: its complete versions}.
    """
    return [
        f"{name}={version}" if version else name
        for name, version in wanted.items()
        if not versions.get(name) or (version and version not in versions[name])
    ]


def candidates(versions: Sequence[str], labels: Mapping[str, str], pinned: str, serving: str) -> Iterator[str]:
    """Versions to answer with under a bare name, best first; the first that works is taken.

    A pinned version has no substitute. Otherwise: the one labelled stable; where that does not work, the one that
    answers now; the newest one and so on.

    Args:
        versions: complete ones, newest first. labels: label -> version. pinned: by `--model NAME=VERSION`, or "".
        serving: what answers now, or "".
    """
    if pinned:
        yield from [pinned] if pinned in versions else []
        return
    stable = labels.get("stable", "")
    first = [stable, serving] if stable else []
    rest = [version for version in versions if version not in first]
    yield from (version for version in (*first, *rest) if version in versions)
