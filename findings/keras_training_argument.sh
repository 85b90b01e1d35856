#!/usr/bin/env bash
# keras 3.15.1 (here on jax 0.7.2; the same on tensorflow 2.21.0): a functional model forgets `layer(x, training=False)`.
#
# One would guess that batch normalisation stays in inference mode where a functional model was built with
# `base(x, training=False)`: the graph records the argument, Keras' own guide to transfer learning recommends it for the time
# when the base is trainable again, Keras 2 keeps to it (tf_keras 2.21.0, tried apart from this script), and so does Keras 3
# in the call() of a subclassed model. In a functional model of Keras 3 the outer call's `training`, True in fit(), replaces
# it, for a model inside as for a layer: the base is normalised by batch, and its moving statistics leave those of its
# pre-training. Nothing warns. What helps is trainable=False, which a base that learns cannot have, or a base whose own
# call() hands on training=False.
#
# It matters because a fine-tuned base then answers otherwise than it learned: with photographs in hundreds, accuracy on its
# own training images stayed at 0.6. Defectory's base is a model of the last kind, and a test compares its statistics' bytes.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 jax==0.7.2 scipy==1.16.3
cat > argument.py <<'PY'
import warnings

warnings.simplefilter("ignore")
import keras
import numpy as np

x = np.random.default_rng(0).normal(5, 2, (64, 4)).astype("float32")


class InItsCall(keras.Model):
    def __init__(self):
        super().__init__()
        self.normalisation = keras.layers.BatchNormalization(momentum=0.5)

    def call(self, inputs):
        return self.normalisation(inputs, training=False)


class Standing(keras.Model):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=False, mask=mask)


def functional(kind, trainable=True):
    normalisation = keras.layers.BatchNormalization(momentum=0.5, trainable=trainable)
    inner, outer = keras.Input((4,)), keras.Input((4,))
    if kind == "layer":
        return normalisation, keras.Model(outer, normalisation(outer, training=False))
    base = kind(inner, normalisation(inner))
    return normalisation, keras.Model(outer, base(outer, training=False))


def moved(normalisation, model, fit=False):
    if fit:
        model.compile("sgd", "mse")
        model.fit(x, x, verbose=0)
    else:
        model(x, training=True)
    return float(np.abs(np.asarray(normalisation.moving_mean)).max())


subclassed = InItsCall()
seen = {
    "a layer, called": moved(*functional("layer")),
    "a model inside, called": moved(*functional(keras.Model)),
    "a model inside, fit": moved(*functional(keras.Model), fit=True),
    "a model inside, trainable=False": moved(*functional(keras.Model, trainable=False)),
    "a model inside whose call() says training=False": moved(*functional(Standing)),
}
subclassed(x, training=True)
seen["call() of a subclassed model"] = float(np.abs(np.asarray(subclassed.normalisation.moving_mean)).max())
print("keras", keras.__version__, keras.backend.backend(), "- how far the moving mean went from 0, built with training=False:")
for how, distance in seen.items():
    print(f"  {how}: {distance:.2f}")
assert [distance > 1 for distance in seen.values()] == [True, True, True, False, False, False], "the behaviour changed"
PY
KERAS_BACKEND=jax venv/bin/python argument.py 2>/dev/null
echo "keras 3.15.1: as described"
