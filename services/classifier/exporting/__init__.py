"""Classifiers for other software: SavedModel, TFLite and ONNX, each checked against the original."""

from typing import get_args

from defectory.job_settings.choices import ExportFormat

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)  # of export.CONVERTERS, which needs TensorFlow
