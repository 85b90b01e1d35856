"""A package by name, so that a `tests` that some other distribution leaves in the environment does not take its place."""
