"""Edited pictures: defects removed, copied, moved, recoloured and changed by recipe, and what a person did by hand."""
