"""Where the heat lies, as the report tells it: both arms side by side, and a plain sentence."""

from collections.abc import Mapping
from typing import Any

COARSE = 9  # cells of a heatmap below which no score says anything
FEW = 10  # masked images below which a difference is not spoken of

# What a row of summary.json's model is called, and what a person needs to know to read it.
ROWS = (
    ("pointing", "hottest point on the defect (pointing game)", "pointing_by_chance"),
    ("inside", "share of the heat on the defect", "inside_by_chance"),
)


def heat_table(summary: Mapping[str, Any]) -> list[tuple[str, list[float], float | None]]:
    """(what, one share a model, the share that chance gives); empty without masked images."""
    models = summary.get("models", [])
    if not models or not all(model["masked"] for model in models):
        return []
    rows: list[tuple[str, list[float], float | None]] = [
        (what, [model[key] for model in models], models[0][chance]) for key, what, chance in ROWS
    ]
    rows.append(("boxes that meet the defect's (MaxBoxAccV2)", [m["max_box_acc_v2"]["mean"] for m in models], None))
    rows.append(("images whose heat lies beside the defect", [m["beside"] / m["masked"] for m in models], None))
    return rows


def heat_sentence(summary: Mapping[str, Any]) -> str:
    """Whether the second arm's heat lies on the defect more than the first's; empty without masked images."""
    moved, models = summary.get("moved"), summary.get("models", [])
    if not moved:
        return ""
    height, width = models[0]["cells"]
    if height * width < COARSE:
        return too_coarse((height, width))
    span = f"{moved['inside'] * 100:+.1f} points of the heat, 95% interval over {moved['parts']} parts "
    span += f"{moved['low'] * 100:+.1f} to {moved['high'] * 100:+.1f}"
    if moved["images"] < FEW or moved["low"] <= 0 <= moved["high"]:
        unknown = "cannot tell whether training on synthetic images moves the heat"
        return f"These {moved['images']} masked images {unknown} ({span})."
    direction = "onto the defects" if moved["inside"] > 0 else "away from the defects"
    return f"Training on synthetic images moves the heat {direction} ({span})."


def too_coarse(cells: tuple[int, int]) -> str:
    """What is said instead where heatmaps have fewer than COARSE cells (h, w)."""
    height, width = cells
    return (
        f"The heatmaps have {height}×{width} cells only: too coarse to say where the heat lies. Larger images "
        "(classifier.input_px) give finer ones."
    )


def sanity_sentence(summary: Mapping[str, Any]) -> str:
    """What the randomisation check says of the models; empty where it could not be made."""
    checks = {model["model"]: model["sanity"] for model in summary.get("models", [])}
    known = {name: check for name, check in checks.items() if check["passed"] is not None}
    if not known:
        return ""
    failed = sorted(name for name, check in known.items() if not check["passed"])
    correlations = ", ".join(f"{check['stages']['everything']:.2f}" for check in known.values())
    if failed:
        return (
            f"Do not trust the heatmaps of {', '.join(failed)}: they hardly change when the network's weights are made "
            f"random (rank correlation {correlations})."
        )
    return (
        "The heatmaps come from what was learned: with random weights they are others (rank correlation "
        f"{correlations})."
    )
