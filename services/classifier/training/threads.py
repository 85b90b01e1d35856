"""How many threads TensorFlow trains with."""

from contextlib import suppress

import tensorflow as tf


def train_on_one_thread() -> None:
    """For steps of a head alone, which are too small to be shared: with two threads one takes half as long again.

    A process whose TensorFlow has computed already keeps the threads that it has.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
