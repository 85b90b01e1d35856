"""A nested result for a person: one line a value, and a short table where things of a kind stand side by side."""

from collections.abc import Iterator, Mapping

from orchestrator.cli.output import in_lines, table

# Keys of figures -> what a person calls them; the report has the same words.
CALLED = {
    "escape": "missed defects", "escapes": "missed defects", "overkill": "false alarms", "ece": "ECE",
    "ece_before": "ECE before", "ece_after": "ECE after", "ece_test": "ECE on test",
    "escape_validation": "missed defects, validation", "escape_test": "missed defects, test",
    "initial_weights": "started from", "initial_weights_sha256": "started from, sha256",
    "bits": "bits of 16-bit pictures", "colour": "colour as read",
    "overkill_validation": "false alarms, validation", "overkill_test": "false alarms, test",
}  # fmt: skip


def in_sections(result: Mapping[str, object]) -> str:
    """Values under their dotted names, then the tables, each under its name."""
    lines: dict[str, object] = {}
    tables = []
    for name, value in _parts(result):
        rows = _rows(value)
        if rows:
            columns = list(dict.fromkeys(column for row in rows for column in row))
            tables.append(f"{name}\n{table(rows, columns)}")
        else:
            lines[name] = value
    return "\n\n".join([in_lines(lines), *tables])


def _parts(result: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """(dotted name, value); a mapping that is no table gives its own values."""
    for key, value in result.items():
        name, figure = CALLED.get(key, key), _figure(value)
        if isinstance(figure, Mapping) and not _rows(figure):
            yield from _parts(figure, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", figure


def _rows(value: object) -> list[Mapping[str, object]]:
    """The rows of mappings side by side; none for anything else."""
    if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
        return [dict(_parts(row)) for row in value]
    if isinstance(value, Mapping) and len(value) > 1:
        rows = [(name, _figure(row)) for name, row in value.items()]
        parts: list[Mapping[str, object]] = [
            {"": name, **dict(_parts(row))} for name, row in rows if isinstance(row, Mapping)
        ]
        return parts if len(parts) == len(rows) else []
    return []


def _figure(value: object) -> object:
    """A rate or an estimate in words; anything else as it is."""
    match value:
        case {"count": count, "of": of, "low": low, "high": high}:
            return f"{count} of {of} ({low:.1%} to {high:.1%})"
        case {"mean": mean, "low": None}:
            return f"{mean:.4g}"
        case {"mean": mean, "low": low, "high": high}:
            return f"{mean:.4g} ({low:.4g} to {high:.4g})"
    return value
