"""What computes a network's probabilities: OpenVINO, or ONNX Runtime where that is not installed; checked before use.

Both compute one graph, which is written from the bundle's weights without TensorFlow: to import that takes longer than
all else that a server does before its first answer.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np

from defectory.errors import Corrupted, InvalidInput
from services.classifier.architecture import Architecture
from services.classifier.onnx_graph import to_onnx
from services.classifier.onnx_session import session_of
from services.classifier.serving.engine_interface import Engine

EngineName = Literal["auto", "openvino", "openvino-bf16", "onnxruntime", "tensorflow"]
MAX_DIFFERENCE = {"openvino": 1e-3, "openvino-bf16": 0.1, "onnxruntime": 1e-3, "tensorflow": 1e-3}  # on the probe


class OnnxruntimeEngine:
    """The graph in ONNX Runtime: a batch on each core, a lone image on all of them."""

    name = "onnxruntime"
    batch = 4

    def __init__(self, graph: bytes, threads: int) -> None:
        self.parallel = threads
        self._alone = session_of(graph, threads)
        self._streams = self._alone if threads == 1 else session_of(graph, 1)

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        """See Engine."""
        session = self._alone if alone else self._streams
        return np.asarray(session.run(["probabilities"], {"image": images})[0])


class OpenvinoEngine:
    """The network compiled by OpenVINO, batch normalisations folded: a stream a core, and one over all cores.

    A core that computes a small batch of its own keeps it in its cache and waits for no other core; only a lone image
    is faster when all cores share it. Sizes are compiled one by one, since a graph of any size computes more slowly
    than one of a known size; a batch of 3 is one of 2 and one of 1.
    """

    batch = 4

    def __init__(self, graph: bytes, threads: int, precision: Literal["f32", "bf16"] = "f32") -> None:
        openvino = _openvino()
        self.name = "openvino" if precision == "f32" else "openvino-bf16"
        self.parallel = threads
        core = openvino.Core()
        model = core.read_model(graph)
        image_shape = [size.get_length() for size in list(model.input(0).partial_shape)[1:]]

        def requests(size: int, streams: int) -> "SimpleQueue[Any]":
            sized = model.clone()
            sized.reshape([size, *image_shape])
            # Pinned threads would fight with the decoders for the cores that they are pinned to.
            settings = {
                "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams,
                "ENABLE_CPU_PINNING": False,
            }  # fmt: skip
            compiled = core.compile_model(sized, "CPU", settings)
            queue: SimpleQueue[Any] = SimpleQueue()
            for _ in range(streams):
                queue.put(compiled.create_infer_request())
            return queue

        self._streams = {size: requests(size, threads) for size in (4, 2, 1)}
        self._alone = requests(1, 1)

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        """See Engine."""
        if len(images) == 1 and alone:
            return _infer(self._alone, images)
        parts, at = [], 0
        for size, requests in self._streams.items():
            while len(images) - at >= size:
                parts.append(_infer(requests, images[at : at + size]))
                at += size
        return np.concatenate(parts)


def _openvino() -> Any:
    """The package, without the part that reports every use to its maker, from a process forked for each report."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: importing it fails
    return importlib.import_module("openvino")


def _infer(requests: "SimpleQueue[Any]", images: np.ndarray) -> np.ndarray:
    request = requests.get()
    try:
        return np.array(request.infer({0: images}, share_inputs=True)[0])
    finally:
        requests.put(request)


def make_engine(
    name: EngineName, architecture: Architecture, weights: Mapping[str, np.ndarray], threads: int
) -> Engine:
    """An engine with these weights, computing on so many cores.

    Raises:
        InvalidInput: OpenVINO was asked for and is not installed.
    """
    installed = importlib.util.find_spec("openvino") is not None
    if name == "tensorflow":
        from services.classifier.serving.tensorflow_engine import TensorflowEngine

        return TensorflowEngine(architecture, weights)
    if name == "onnxruntime" or (name == "auto" and not installed):
        return OnnxruntimeEngine(to_onnx(architecture, weights), threads)
    if not installed:
        right = "install the extra `openvino`, or use onnxruntime"
        raise InvalidInput(f"engine {name!r} is not installed: {right}", {"engine": right})
    return OpenvinoEngine(to_onnx(architecture, weights), threads, "bf16" if name == "openvino-bf16" else "f32")


def reference(architecture: Architecture, weights: Mapping[str, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The network's own answers, float32 (N, labels) of float32 images, which engines are held to."""
    session = session_of(to_onnx(architecture, weights), 1)
    return lambda images: np.asarray(session.run(["probabilities"], {"image": images})[0])


def check_engine(engine: Engine, wanted: Callable[[np.ndarray], np.ndarray], size_px: int, name: str) -> None:
    """Warm an engine at every batch size, and compare its answers to the network's own (`reference`).

    Raises:
        Corrupted: answers that are no probabilities, or not the network's.
    """
    images = probe(size_px, engine.batch)
    right = wanted(images[:4])
    limit = MAX_DIFFERENCE[engine.name]
    sizes = range(1, engine.batch + 1) if engine.parallel > 1 else (1, engine.batch)
    for size, alone in [(size, alone) for size in sizes for alone in (False, True)]:
        probabilities = engine.run(images[:size], alone)
        shown = min(size, len(right))
        worst = float(np.abs(probabilities[:shown] - right[:shown]).max())
        if not np.isfinite(probabilities).all() or not worst <= limit:
            raise Corrupted(
                f"classifier {name}: engine {engine.name} answers up to {worst:.2g} away from the network on the probe "
                f"images, more than {limit:g}: choose another engine, or train the classifier again"
            )


def probe(size_px: int, count: int) -> np.ndarray:
    """Fixed images, float32 (count, size, size, 3) in [0, 255]: noise, ramps, checks, flat ones, in turn."""
    random = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(size_px), np.arange(size_px))
    kinds = (
        lambda: random.integers(0, 256, (size_px, size_px, 3)),
        lambda: np.stack([x, y, x[::-1]], axis=-1) * 255 / size_px,
        lambda: np.repeat(((x // 8 + y // 8) % 2 * 255)[..., None], 3, axis=-1),
        lambda: np.full((size_px, size_px, 3), random.integers(0, 256)),
    )
    return np.stack([np.floor(kinds[number % 4]()) for number in range(count)]).astype(np.float32)
