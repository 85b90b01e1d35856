#!/usr/bin/env bash
# ai-edge-litert 2.3.0: an int8 model whose scales lie far apart cannot be prepared by the default interpreter.
#
# One would guess that the delegate which takes over by default, XNNPACK, leaves to TFLite's own kernels what it cannot do,
# as it does with operators that it does not know. Where (scale of input) x (scale of weights) / (scale of output) is 256 or
# more, it takes the layer and then fails: allocate_tensors raises RuntimeError. The same file runs without the delegate. A
# network whose channels differ much in size comes out of the converter so, without a warning.
#
# Defectory prepares an int8 export with XNNPACK and without it, and writes none that one of them cannot run.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check ai-edge-litert==2.3.0 numpy==2.4.6
cat > scales.py <<'PY'
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def fully_connected(scale_in, scale_weights, scale_out):
    """An int8 model of one layer of 8 to 8; zero points are 0."""
    def tensor(name, shape, kind, buffer, scale):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
        return made

    model, code, graph, operator = schema.ModelT(), schema.OperatorCodeT(), schema.SubGraphT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = np.frombuffer(np.arange(-32, 32, dtype=np.int8).tobytes(), np.uint8)
    model.buffers[2].data = np.frombuffer(np.zeros(8, np.int32).tobytes(), np.uint8)
    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    graph.tensors = [tensor("x", [1, 8], int8, 0, scale_in), tensor("w", [8, 8], int8, 1, scale_weights),
                     tensor("b", [8], int32, 2, scale_in * scale_weights), tensor("y", [1, 8], int8, 0, scale_out)]
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [3]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def prepared(content, kernels):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        return str(error)
    interpreter.invoke()
    return "runs"


for ratio, refused in ((255, False), (256, True), (10_000, True)):
    content = fully_connected(1.0, 1.0, 1 / ratio)
    default = prepared(content, OpResolverType.AUTO)
    plain = prepared(content, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    print(f"scales 1 x 1 / {ratio}: default: {default}; without XNNPACK: {plain}")
    assert (default != "runs") is refused and plain == "runs", "the behaviour changed"
PY
venv/bin/python scales.py 2>/dev/null
echo "ai-edge-litert 2.3.0: as described"
