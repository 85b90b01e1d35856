"""Generators as files for other programs: safetensors that can be imported again, ONNX that any runtime executes."""
