"""A package by name, so that a `tests` that another distribution leaves in the environment does not replace it."""
