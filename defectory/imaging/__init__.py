"""The one door for foreign image bytes, and the few things done to pixels everywhere: decode, encode, make square."""

from defectory.depth import FULL_DEPTH
from defectory.imaging.eight_bits import decode, is_grey, on_white
from defectory.imaging.encoding import encode_png
from defectory.imaging.network import network_input, network_input_of
from defectory.imaging.opened import (
    MAX_PIXELS,
    MAX_SIDE_PX,
    UPRIGHT,
    Opened,
    decoding,
    largest_value,
    may_use_fewer_bits,
    put_upright,
    read_header,
    scales_in_the_decoder,
    size_of,
)
from defectory.imaging.square import Fit, to_square

__all__ = [
    "FULL_DEPTH",
    "MAX_PIXELS",
    "MAX_SIDE_PX",
    "UPRIGHT",
    "Fit",
    "Opened",
    "decode",
    "decoding",
    "encode_png",
    "is_grey",
    "largest_value",
    "may_use_fewer_bits",
    "network_input",
    "network_input_of",
    "on_white",
    "put_upright",
    "read_header",
    "scales_in_the_decoder",
    "size_of",
    "to_square",
]
