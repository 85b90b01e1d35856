"""Answers many callers at once: engines, batches, versions, protocols."""
