"""Named starting points of a pipeline: the paper's figures, minutes on two cores, and the demo."""

from collections.abc import Mapping

from defectory.alike import one_of
from defectory.errors import InvalidInput

PRESETS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    # The paper's own figures, for a GPU. Its transfer from AFHQ Wild is left out: that network may not be passed on.
    "paper": {
        "generator": {
            "initial_model": "",  # the starter's layers are narrower
            "resolution_px": 512,
            "channel_base": 32768,
            "mapping_layers": 8,
            "z_dim": 512,
            "w_dim": 512,
            "kimg": 300,
            "batch": 16,
            "start_label": "",
        },
        "synthesis": {"quota": 3584, "max_rounds": 8},
        "filter": {"policy": "confident", "threshold": 0.9},
        "classifier": {"recipe": "paper", "input_px": 224, "epochs": 40, "learning_rate": 1e-5, "cycles": 5},
    },
    # Minutes to an hour on two cores: small images, a short training of the generators, and the recipe of a classifier
    # that does best on a few hundred photographs, in seconds where the paper's takes minutes.
    "quick": {
        "generator": {
            "initial_model": "starter",
            "resolution_px": 64,
            "channel_base": 1024,
            "kimg": 40,
            "transfer_kimg": 15,
            "batch": 16,
            "learning_rate": 0.003,
            "r1_gamma": 1.0,
            "mirror_x": True,
        },
        "synthesis": {"quota": 300, "max_rounds": 4},
        "filter": {"policy": "confident", "threshold": 0.7},
        "classifier": {"recipe": "best", "cycles": 5},
    },
    # A few minutes on two cores, without a network connection: shows every step of the line on drawn cables.
    "demo": {
        "data": {"test_share": 0.2},
        # From the starter, and no longer than it takes until a cable is one: small batches, for more steps, and an
        # average of weights that forgets the start. No regularisation of path lengths and no augmentation: in so few
        # steps neither pays for its time. No mirroring: it makes a good cable one whose strands have changed places.
        "generator": {
            "initial_model": "starter",
            "resolution_px": 64,
            "kimg": 3,
            "transfer_kimg": 1,
            "batch": 8,
            "learning_rate": 0.0025,
            "r1_gamma": 1.0,
            "augment_mode": "none",
            "ema_kimg": 0.4,
            "path_length_weight": 0,
            "snapshot_kimg": 3,
            "measured_images": 40,
        },
        "synthesis": {"quota": 60, "surplus": 1.5, "max_rounds": 2},
        "filter": {"policy": "confident", "threshold": 0.5, "judge_cycles": 2},
        # The head first, on embeddings, then with it the base's top, on what the frozen stem gives once; at 96 px a
        # heatmap has 3×3 cells.
        "classifier": {
            "recipe": "best",
            "initial_weights": "starter",
            "input_px": 96,
            "trainable_base": "top",
            "base_rate": 0.3,
            "warmup_epochs": 5,
            "epochs": 8,
            "cycles": 3,
        },
        "explain": {"limit": 8},
    },
}


def preset(name: str) -> dict[str, object]:
    """The values of a preset; none for "".

    Raises:
        InvalidInput: no such preset.
    """
    if not name:
        return {}
    if name not in PRESETS:
        right = one_of(name, PRESETS)
        raise InvalidInput(f"there is no preset {name!r}: {right}", {"preset": right})
    return {"preset": name, **PRESETS[name]}
