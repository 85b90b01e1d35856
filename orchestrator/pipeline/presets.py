"""Named starting points of a pipeline: the paper's figures, minutes on two cores, and the demo."""

from collections.abc import Mapping
from typing import Any

from defectory.errors import InvalidInput

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # The paper's own figures, for a GPU. Its transfer from AFHQ Wild is left out: that network may not be passed on.
    "paper": {
        "data": {"size_px": 512},
        "generator": {
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
        "classifier": {"input_px": 224, "epochs": 40, "learning_rate": 1e-5, "cycles": 5},
    },
    # Minutes to an hour on two cores: small images, a short training, a faster learning rate.
    "quick": {
        "data": {"size_px": 64},
        "generator": {
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
        "classifier": {"epochs": 15, "learning_rate": 2e-4, "cycles": 5},
    },
    # A few minutes: shows every step of the line. The figures of so short a training prove nothing.
    "demo": {
        "allow_random_weights": True,
        "data": {"size_px": 32},
        "generator": {
            "channel_base": 1024,
            "kimg": 14,
            "transfer_kimg": 4,
            "batch": 16,
            "learning_rate": 0.003,
            "r1_gamma": 2.0,
            "mirror_x": True,
        },
        "synthesis": {"quota": 100, "surplus": 1.5, "max_rounds": 2},
        # After so few steps the gate still tells nine of ten good images from real ones, and the judge is no better:
        # with policy and gate on, little would be left to show. Every image is judged all the same; its scores
        # stand in the manifest.
        "filter": {"policy": "none", "novelty_gate": False},
        "classifier": {"epochs": 8, "learning_rate": 3e-4, "cycles": 3, "steps_per_epoch": 8},
        "explain": {"limit": 8},
    },
}


def preset(name: str) -> dict[str, Any]:
    """The values of a preset; none for "".

    Raises:
        InvalidInput: no such preset.
    """
    if not name:
        return {}
    if name not in PRESETS:
        right = f"use {', '.join(PRESETS)}"
        raise InvalidInput(f"there is no preset {name!r}: {right}", {"preset": right})
    return {"preset": name, **PRESETS[name]}
