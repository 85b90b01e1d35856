"""Figures as the page writes them: shares, means and differences with their intervals, counts, nested settings."""

import json
from collections.abc import Iterator, Mapping

from orchestrator.pipeline.summary import Estimate
from orchestrator.report.documents import Rate


def percent(value: float | None) -> str:
    """0.8159 -> "81.6%"."""
    return "–" if value is None else f"{value * 100:.1f}%"


def estimate(value: Estimate, metric: str = "f1") -> str:
    """A mean with its interval, or few cycles' own values; a loss as it is, everything else in per cent."""
    show = (lambda x: f"{x:.4f}") if metric == "loss" else percent
    if value.singles:
        return ", ".join(map(show, value.singles))
    return show(value.mean) + (f" [{show(value.low)}, {show(value.high)}]" if value.low is not None else "")


def points(value: Estimate) -> str:
    """A difference of shares with its interval, e.g. "-22.3 [-31.7, -12.4]"; of few cycles, each one's."""
    if value.singles or value.low is None or value.high is None:
        return ", ".join(f"{x * 100:+.1f}" for x in value.singles or (value.mean,))
    return f"{value.mean * 100:+.1f} [{value.low * 100:+.1f}, {value.high * 100:+.1f}]"


def in_counts(rate: Rate) -> str:
    """E.g. "1 of 2: 50.0% [1.3%, 98.7%]"."""
    return f"{rate.count} of {rate.of}: {percent(rate.count / rate.of)} [{percent(rate.low)}, {percent(rate.high)}]"


def flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("a.b", value) of nested mappings, for a table."""
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value, default=str)
