"""The ways to explain a decision, by name: a new one is a short file and a line here."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from services.explainer.methods.ablation_cam import ablation_cam
from services.explainer.methods.grad_cam import grad_cam
from services.explainer.methods.grad_cam_plus_plus import grad_cam_plus_plus
from services.explainer.methods.hires_cam import hires_cam
from services.explainer.methods.view import View

METHODS: Mapping[str, Callable[[View], tf.Tensor]] = {
    "grad-cam": grad_cam,
    "grad-cam++": grad_cam_plus_plus,
    "hires-cam": hires_cam,
    "ablation-cam": ablation_cam,
}
