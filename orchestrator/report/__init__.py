"""The report of a run: one self-contained HTML file whose every figure is read from the store, and files beside it."""

from orchestrator.report.kept import keep_report, replace_report
from orchestrator.report.page import build_report

__all__ = ["build_report", "keep_report", "replace_report"]
