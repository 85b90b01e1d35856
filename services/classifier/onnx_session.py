"""ONNX Runtime, which computes a graph without the framework that its weights come from."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime

from defectory.machine import cores

BATCH = 4  # a core keeps so many images in its cache


def session_of(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session that computes on so many threads; it may be run from several at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait would spin, and take the cores from those that decode (docs/decisions/0002).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Computed:
    """A graph of one input and one output over any number of rows, a small batch on each core.

    No batch is shared among cores, so how many there are changes no bit of the answers.
    """

    def __init__(self, graph: bytes) -> None:
        self._session = session_of(graph, 1)
        (self._input,), (output,) = self._session.get_inputs(), self._session.get_outputs()
        self._output = output.shape[1:]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """float32 (N, …) of rows (N, …) of numbers, which become float32."""
        answers = np.empty((len(rows), *self._output), np.float32)

        def compute(start: int) -> None:
            few = slice(start, start + BATCH)
            (answers[few],) = self._session.run(None, {self._input.name: rows[few].astype(np.float32)})

        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(compute, range(0, len(rows), BATCH)))
        return answers
