"""Ablation-CAM (Desai & Ramaswamy 2020, WACV): no gradient; a channel is worth what the score loses without it."""

import tensorflow as tf

from services.explainer.methods.view import View


def ablation_cam(view: View) -> tf.Tensor:
    """Heat (N, h, w) >= 0: activations, weighted by the drop in the score when their channel is put to 0.

    The published weight is the drop over the score; that factor falls out where heat is scaled to its maximum, and for
    a negative logit it would turn what speaks for a class into what speaks against it.
    """
    pooled = tf.reduce_mean(view.activations, axis=(1, 2))

    def drops(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        row, label = one
        without = row[None] - tf.linalg.diag(row)  # (K, K): row k lacks channel k
        return view.logits(row[None])[0, label] - view.logits(without)[:, label]

    weights = tf.map_fn(drops, (pooled, view.classes), fn_output_signature=tf.float32)
    return tf.nn.relu(tf.einsum("nhwk,nk->nhw", view.activations, weights))
