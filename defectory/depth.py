"""How deep a picture can be: apart from what reads pictures, so that whoever reads a manifest alone loads no NumPy."""

FULL_DEPTH = 16  # of `bits`: values are spread over all that their file can hold
