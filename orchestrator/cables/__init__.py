"""Drawn photographs of cable cross-sections, good and faulty, with masks: data for the demo and the tests.

Everything is drawn from a seed; nothing is taken from a photograph. Results on these images are synthetic, and are
called so.
"""

from orchestrator.cables.category import write_cables
from orchestrator.cables.drawing import KINDS, Drawing, draw_cable

__all__ = ["KINDS", "Drawing", "draw_cable", "write_cables"]
