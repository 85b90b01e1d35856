"""Classifiers for other software: SavedModel, TFLite and ONNX, each checked against the original."""

FORMATS = "saved-model", "tflite", "tflite-int8", "onnx"  # of export.CONVERTERS, which needs TensorFlow
