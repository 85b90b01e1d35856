"""HiResCAM (Draelos & Carin 2020, arXiv:2011.08891, section 3): gradients are not averaged over places.

Behind a mean over places every place has the same gradient, so here it is Grad-CAM; a head that looks at places one by
one would part the two.
"""

import tensorflow as tf

from services.explainer.methods.view import View


def hires_cam(view: View) -> tf.Tensor:
    """Heat (N, h, w) >= 0: activations times their own gradients, summed over channels."""
    return tf.nn.relu(tf.reduce_sum(view.activations * view.gradients(), axis=3))
