"""Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063, section 3): several things of one class share the heat."""

import tensorflow as tf

from services.explainer.methods.view import View


def grad_cam_plus_plus(view: View) -> tf.Tensor:
    """Heat (N, h, w) >= 0: activations, weighted by their positive gradients' weighted sum.

    The class's score is exp(logit), so its derivatives are powers of the logit's (equation 19); the factor exp(logit)
    in front of all of them falls out where heat is scaled to its maximum.
    """
    gradients = view.gradients()
    square, cube = gradients**2, gradients**3
    places = tf.reduce_sum(view.activations, axis=(1, 2), keepdims=True)
    alphas = tf.math.divide_no_nan(square, 2 * square + places * cube)
    weights = tf.reduce_sum(alphas * tf.nn.relu(gradients), axis=(1, 2))
    return tf.nn.relu(tf.einsum("nhwk,nk->nhw", view.activations, weights))
