"""What can be chosen of an explanation; whoever checks a request needs no framework."""

from defectory.errors import InvalidInput

METHOD_NAMES = "grad-cam", "grad-cam++", "hires-cam", "ablation-cam"  # of methods.METHODS, which need TensorFlow
DEFAULT_METHOD = "grad-cam"
DEFAULT_LIMIT, MAX_LIMIT = 16, 10_000  # images: files in the store, a line each


def check_method(method: str) -> None:
    """InvalidInput for a method that is not among METHOD_NAMES."""
    if method not in METHOD_NAMES:
        right = f"use {', '.join(METHOD_NAMES)}"
        raise InvalidInput(f"method {method!r}: {right}", {"method": right})
