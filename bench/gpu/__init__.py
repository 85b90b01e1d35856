"""The checks and figures of a GPU: numerics, resuming, speed and waiting, in one run on a bare machine."""
