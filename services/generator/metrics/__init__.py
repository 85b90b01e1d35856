"""How good synthetic images are, measured on real ones that the generator never saw: arrays in, numbers out."""
