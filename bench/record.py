"""Writes a benchmark's table into docs/benchmarks.md: one section a benchmark, replaced in place."""

import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from defectory.machine import processor
from defectory.versions import installed_version

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
HEADER = "# Benchmarks\n\nEach section is written by the command it names. The machines are noisy: only ratios count.\n"


def record(
    title: str,
    command: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: str = "",
    packages: Sequence[str] = ("numpy", "scipy"),
    to: Path = PAGE,
) -> str:
    """Print and store a table; returns its section.

    Args:
        to: the page that the section is part of.
    """
    table = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    table += ["| " + " | ".join(row) + " |" for row in rows]
    section = f"## {title}\n\n`{command}` ({where(packages)})\n\n" + "\n".join(table) + f"\n\n{notes}".rstrip() + "\n"
    page = to.read_text() if to.exists() else HEADER
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    page = pattern.sub(lambda _: section + "\n", page) if pattern.search(page) else f"{page.rstrip()}\n\n{section}"
    to.write_text(page.rstrip() + "\n")
    return section


def where(packages: Sequence[str]) -> str:
    """Day, processor and versions, in a line."""
    versions = ", ".join(f"{package} {installed_version(package)}" for package in packages)
    return f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, Python {platform.python_version()}, {versions}"
