#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93: an ONNX convolution with auto_pad=SAME_UPPER and stride 2 is padded on the wrong side.
#
# One would guess that OpenCV 5's engine for ONNX reads the attribute as ONNX means it, since 4.x does: of an odd sum of
# padding the end gets the greater half. 5.0 gives it to the start (which is SAME_LOWER), without a word; the shapes are the
# same, so nothing fails. Stride 2 over an even size is where the sum is odd: the downsampling layers of MobileNetV2, and of
# most networks that come from TensorFlow, whose "same" becomes SAME_UPPER. Of a whole MobileNetV2 more than half of twelve
# labels were others.
#
# Defectory writes its padding in numbers (pads=), which every runtime reads alike, and tests the file in ONNX Runtime,
# OpenVINO and OpenCV.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat > pads.py <<'PY'
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def model(size, stride, **padding):
    kernel = numpy_helper.from_array(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), "k")
    node = helper.make_node("Conv", ["x", "k"], ["y"], kernel_shape=[3, 3], strides=[stride, stride], **padding)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", [1, 1, size, size]), ("y", [1, 1, -(-size // stride), -(-size // stride)]))]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [kernel])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def agree(size, stride, **padding):
    content = model(size, stride, **padding)
    x = np.random.default_rng(0).random((1, 1, size, size), dtype=np.float32)
    wanted = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    network.setInput(x)
    return bool(np.allclose(network.forward(), wanted, atol=1e-4))


found = {
    "SAME_UPPER, stride 2, 6 px": agree(6, 2, auto_pad="SAME_UPPER"),
    "SAME_UPPER, stride 2, 7 px": agree(7, 2, auto_pad="SAME_UPPER"),
    "SAME_UPPER, stride 1, 6 px": agree(6, 1, auto_pad="SAME_UPPER"),
    "pads=[0, 0, 1, 1], stride 2, 6 px": agree(6, 2, pads=[0, 0, 1, 1]),
}
for what, same in found.items():
    print(f"OpenCV {cv2.__version__}: {what}: {'as ONNX Runtime' if same else 'ANOTHER ANSWER'}")
wanted = [cv2.__version__.startswith("4."), True, True, True]
sys.exit(list(found.values()) != wanted)
PY
for version in 5.0.0.93 4.14.0.94; do
  venv/bin/pip install --quiet --disable-pip-version-check --no-deps "opencv-python-headless==$version"
  venv/bin/python pads.py
done
echo "as described"
