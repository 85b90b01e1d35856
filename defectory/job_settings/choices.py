"""Choices that a command line and a service both know."""

from typing import Literal

Origins = Literal["all", "real", "synthetic"]  # of a dataset's images
SplitName = Literal["train", "validation", "test"]  # of a dataset's images, those that are in one
ExportFormat = Literal["saved-model", "tflite", "tflite-int8", "onnx"]  # of a classifier, for other software
