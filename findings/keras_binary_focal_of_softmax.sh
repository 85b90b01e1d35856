#!/usr/bin/env bash
# keras 3.15.1 on tensorflow 2.21.0: BinaryFocalCrossentropy of a softmax's probabilities takes their logits for a sigmoid's.
#
# One would guess that a loss of tensors depends on their values, above all with from_logits=False. On TensorFlow a softmax
# layer hangs its logits onto its output, and binary cross-entropy, focal or not, takes them from there without asking which
# activation they went through: the logarithm is of a sigmoid of each, the focal weight beside it of the softmax. The same
# numbers without their history, from predict() or behind an identity, give another loss; fit() and evaluate() see the
# first, whoever checks by hand the second. CategoricalCrossentropy is not affected, since it wants a softmax's.
#
# It matters for two labels with two softmax outputs and binary focal cross-entropy, which is the published recipe that
# Defectory follows: the training's loss is not the formula's. Defectory computes the formula from the probabilities, and
# tests it against Keras' loss of plain arrays.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check keras==3.15.1 tensorflow-cpu==2.21.0
cat > loss.py <<'PY'
import keras
import numpy as np
import tensorflow as tf

logits = np.array([[2, -1], [0.5, 3], [1, 1.5]], "float32")
truth = np.array([[1, 0], [1, 0], [0, 1]], "float32")
softmax = keras.layers.Dense(2, "softmax", kernel_initializer="identity", use_bias=False)
model = keras.Sequential([keras.Input((2,)), softmax])
p = model(logits)


def formula(p, gamma, inside):  # the mean over both outputs; p weighs, the logarithm is of what is inside
    right, inside = (np.where(truth == 1, x, 1 - x) for x in (p, inside))
    return float(np.mean(-((1 - right) ** gamma) * np.log(inside)))


sigmoid = 1 / (1 + np.exp(-logits))


print("keras", keras.__version__, "tensorflow", tf.__version__)
for gamma, loss in ((0, keras.losses.BinaryCrossentropy()), (2, keras.losses.BinaryFocalCrossentropy(gamma=2.0))):
    model.compile("sgd", loss)
    seen = float(loss(truth, p)), model.evaluate(logits, truth, verbose=0)
    plain = float(loss(truth, p.numpy())), float(loss(truth, tf.identity(p)))
    of_softmax, mixed = formula(p.numpy(), gamma, p.numpy()), formula(p.numpy(), gamma, sigmoid)
    print(f"{loss.name}: of the layer's output {seen[0]:.4f}, in evaluate {seen[1]:.4f}, of its numbers {plain[0]:.4f}")
    print(f"  the formula: {of_softmax:.4f}; with the logarithm of a sigmoid of the logits: {mixed:.4f}")
    assert np.allclose(seen, mixed, atol=1e-5) and np.allclose(plain, of_softmax, atol=1e-5), "the behaviour changed"
assert not np.isclose(of_softmax, mixed, rtol=0.1)
categorical = keras.losses.CategoricalCrossentropy()
assert np.isclose(float(categorical(truth, p)), float(categorical(truth, p.numpy())), rtol=1e-5), "the behaviour changed"
PY
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python loss.py 2>/dev/null
echo "keras 3.15.1: as described"
