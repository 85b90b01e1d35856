"""A generator as ONNX bytes, handed out only when ONNX Runtime makes the same pictures of it as torch does."""

import json

import numpy as np
import onnxruntime
import torch

from defectory.errors import Corrupted
from services.generator import latents
from services.generator.bundle import GeneratorCard
from services.generator.exporting.onnx_graph import IMAGE, LABEL, PSI, Z, graph_of
from services.generator.rendering import classes_of, to_pixels
from services.generator.stylegan2.networks import Generator

CHECKED = ((range(3), 1.0), (range(3, 4), 0.7))  # seeds and psi: two sizes of batch
MAX_GREY_LEVELS = 1


def export(generator: Generator, card: GeneratorCard) -> tuple[bytes, int]:
    """The file, and by how many grey levels its pictures differ from torch's at most.

    Raises:
        Corrupted: by more than one: what would be handed out is another network.
    """
    weights = {name: value.numpy() for name, value in generator.state_dict().items()}
    metadata = {
        "model": card.full_name,
        "label": card.label,
        "weights_sha256": card.weights_sha256,
        "architecture": json.dumps(card.architecture.model_dump(), sort_keys=True),
    }
    data = graph_of(card.architecture, weights, metadata).SerializeToString(deterministic=True)
    worst = difference(generator, data)
    if worst > MAX_GREY_LEVELS:
        raise Corrupted(
            f"the ONNX file of {card.full_name} makes pictures {worst} grey levels off torch's; it is not handed out"
        )
    return data, worst


@torch.inference_mode()
def difference(generator: Generator, data: bytes) -> int:
    """The greatest difference between pictures by ONNX Runtime and by torch, in grey levels."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    worst = 0
    for seeds, psi in CHECKED:
        z = latents.z_of(generator, seeds)
        given = {Z: z.numpy(), PSI: np.array(psi, np.float32)}
        label = classes_of(generator, seeds)
        if label is not None:
            given[LABEL] = label.numpy()
        images = torch.from_numpy(session.run([IMAGE], given)[0])
        wanted = generator(z, label, truncation_psi=psi, noise="const")
        apart = np.abs(to_pixels(images).astype(int) - to_pixels(wanted))
        worst = max(worst, int(apart.max()))
    return worst
