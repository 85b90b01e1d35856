"""Grad-CAM exactly as published (Selvaraju et al. 2017, arXiv:1610.02391, section 3)."""

import tensorflow as tf

from services.explainer.methods.view import View


def grad_cam(view: View) -> tf.Tensor:
    """Heat (N, h, w) >= 0: activations, weighted by their gradients' mean over places."""
    weights = tf.reduce_mean(view.gradients(), axis=(1, 2))  # alpha_k^c of equation 1
    return tf.nn.relu(tf.einsum("nhwk,nk->nhw", view.activations, weights))  # equation 2
