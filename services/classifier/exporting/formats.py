"""Each format: the files that a network becomes, and how they are run to be checked."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from defectory.errors import FailedPrecondition
from services.classifier.architecture import Architecture
from services.classifier.model import Network, weights_of
from services.classifier.onnx_graph import to_onnx

BATCH = 32
Run = Callable[[np.ndarray], np.ndarray]  # (N, size, size, 3), as they are -> float (N, labels)


@dataclass(frozen=True)
class Converted:
    """A network in another format.

    Attributes:
        files: path below the export's prefix -> content.
        runs: what may compute it -> answers as an application gets them there, from raw pixels.
        input, output: how the tensors' integers are meant, where they are integers: "scale" and "zero_point".
    """

    files: dict[str, bytes]
    runs: Mapping[str, Run]
    input: Mapping[str, object] = field(default_factory=dict)
    output: Mapping[str, object] = field(default_factory=dict)


def saved_model(network: Network, architecture: Architecture, _: np.ndarray) -> Converted:
    """TensorFlow's SavedModel with one signature, "serving_default": "image" to "probabilities"."""
    size = architecture.input_px
    with tempfile.TemporaryDirectory() as folder:
        module = tf.Module()
        module.network = network.model  # so that its variables are saved
        signature = tf.function(
            lambda image: {"probabilities": network.model(image, training=False)},
            input_signature=[tf.TensorSpec((None, size, size, 3), tf.float32, "image")],
        )
        tf.saved_model.save(module, folder, signatures=signature)
        read = tf.saved_model.load(folder).signatures["serving_default"]  # what was just written here, nothing foreign
        files = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    run = _in_batches(lambda x: read(image=tf.cast(x, tf.float32))["probabilities"].numpy())
    return Converted(files, {"TensorFlow": run})


def tflite(network: Network, architecture: Architecture, _: np.ndarray) -> Converted:
    """TFLite in float32."""
    return _tflite(tf.lite.TFLiteConverter.from_concrete_functions([_concrete(network, architecture)]))


def tflite_int8(network: Network, architecture: Architecture, training: np.ndarray) -> Converted:
    """TFLite in integers throughout, input and output uint8; ranges from training images.

    The input's is 0 to 255 whatever these show, so that a raw pixel is its own integer: scale 1, zero point 0.
    """
    widest = training[0].copy()
    widest[0, 0], widest[-1, -1] = 0, 255  # two pixels, which change no other range
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_concrete(network, architecture)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None].astype(np.float32)] for image in [widest, *training])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return _tflite(converter)


def onnx(network: Network, architecture: Architecture, _: np.ndarray) -> Converted:
    """ONNX, run by ONNX Runtime."""
    import onnxruntime

    content = to_onnx(architecture, weights_of(network))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    run = _in_batches(lambda x: session.run(["probabilities"], {"image": x.astype(np.float32)})[0])
    return Converted({"model.onnx": content}, {"ONNX Runtime": run})


def _concrete(network: Network, architecture: Architecture) -> tf.types.experimental.ConcreteFunction:
    """One image at a time, which is what edge devices see."""
    size = architecture.input_px
    function = tf.function(lambda image: network.model(image, training=False))
    return function.get_concrete_function(tf.TensorSpec((1, size, size, 3), tf.float32, "image"))


def _tflite(converter: tf.lite.TFLiteConverter) -> Converted:
    """Run as applications run it: by XNNPACK, which takes over by default, and by TFLite's own kernels without it.

    They round differently, and on integers that adds up: a network may be sound with one and not with the other.

    Raises:
        FailedPrecondition: one of them cannot run it.
    """
    content = converter.convert()
    resolvers = tf.lite.experimental.OpResolverType
    interpreters = {
        "XNNPACK": tf.lite.Interpreter(model_content=content),
        "no XNNPACK": tf.lite.Interpreter(
            model_content=content, experimental_op_resolver_type=resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    }
    for name, interpreter in interpreters.items():
        try:
            interpreter.allocate_tensors()
        except RuntimeError as error:  # e.g. scales of integers that are too far apart for XNNPACK
            raise FailedPrecondition(
                f"TFLite ({name}) cannot prepare what was converted: {error}; nothing was written; use another format"
            ) from error
    given, answer = (ends()[0] for ends in (interpreter.get_input_details, interpreter.get_output_details))
    runs = {name: partial(_one_by_one, interpreter) for name, interpreter in interpreters.items()}
    return Converted({"model.tflite": content}, runs, _quantisation(given), _quantisation(answer))


def _one_by_one(interpreter: tf.lite.Interpreter, pixels: np.ndarray) -> np.ndarray:
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for image in pixels:
        interpreter.set_tensor(given["index"], image.astype(given["dtype"])[None])
        interpreter.invoke()
        rows.append(_value(interpreter.get_tensor(answer["index"])[0], answer))
    return np.stack(rows)


def _quantisation(details: dict[str, Any]) -> dict[str, object]:
    scale, zero = details["quantization"]
    return {"scale": float(scale), "zero_point": int(zero)} if scale else {}


def _value(row: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    return np.asarray((row.astype(np.float32) - zero) * scale) if scale else row


def _in_batches(run: Run) -> Run:
    def all_of_them(pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([run(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)])

    return all_of_them
