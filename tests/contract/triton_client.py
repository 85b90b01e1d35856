"""What `tritonclient` does with our server, in a process without our stubs: `triton_client.py ADDRESS MODEL FILE`.

Both bring messages named `inference.…`, so they cannot live in one process.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

address, model, file = sys.argv[1:]
client = triton.InferenceServerClient(address)
content = Path(file).read_bytes()
metadata = client.get_model_metadata(model, as_json=True)
config = client.get_model_config(model, as_json=True)
wanted = [triton.InferRequestedOutput("probabilities"), triton.InferRequestedOutput("label")]

encoded = triton.InferInput("image", [2], "BYTES")
encoded.set_data_from_numpy(np.array([content, content], dtype=np.object_))
by_file = client.infer(model, [encoded], outputs=wanted, request_id="r1", client_timeout=60)

size = int(metadata["inputs"][0]["shape"][1])
array = triton.InferInput("image", [1, size, size, 3], "FP32")
array.set_data_from_numpy(np.full((1, size, size, 3), 128, np.float32))
by_array = client.infer(model, [array])

try:
    wrong = triton.InferInput("image", [1, 2, 2, 3], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 2, 2, 3), np.float32))
    client.infer(model, [wrong])
    refused = ""
except InferenceServerException as error:
    refused = str(error)

black = triton.InferInput("image", [1, size, size, 3], "FP32")
black.set_data_from_numpy(np.zeros((1, size, size, 3), np.float32))
by_black = client.infer(model, [black], parameters={"allow_dark": True})

shared = triton.InferRequestedOutput("label")
shared.set_shared_memory("region", 64)
try:
    client.infer(model, [array], outputs=[shared])
    shared_memory_refused = ""
except InferenceServerException as error:
    shared_memory_refused = str(error)

said = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(model),
    "unknown_ready": client.is_model_ready("none"),
    "server": client.get_server_metadata(as_json=True),
    "metadata": metadata,
    "max_batch_size": config["config"]["max_batch_size"],
    "id": by_file.get_response().id,
    "probabilities": by_file.as_numpy("probabilities").tolist(),
    "labels": [label.decode() for label in by_file.as_numpy("label")],
    "array_probabilities": by_array.as_numpy("probabilities").tolist(),
    "refused": refused,
    "black_labels": [label.decode() for label in by_black.as_numpy("label")],
    "shared_memory_refused": shared_memory_refused,
}
sys.stdout.write(json.dumps(said) + "\n")
