"""Classifiers for other software: SavedModel, TFLite and ONNX, each checked against the original."""
