"""As many digits of a cost as its interval leaves it: what lies below two digits of the interval's width is chance."""

import math

from orchestrator.proof.judgement import Interval

OF_WIDTH = 2  # digits of an interval's width that are shown


def in_digits(figure: Interval, *, signed: bool = False) -> tuple[str, str, str]:
    """(value, low, high), rounded alike: 344.3 [238.2, 447.5] is 340 [240, 450]."""
    width = figure.high - figure.low
    decimals = OF_WIDTH - 1 - math.floor(math.log10(width)) if width > 0 and math.isfinite(width) else 1

    def shown(amount: float) -> str:
        rounded = round(amount, decimals) + 0.0  # no -0
        return f"{rounded:{'+' * signed},.{max(decimals, 0)}f}"

    return shown(figure.value), shown(figure.low), shown(figure.high)
