"""What comes beyond a limit is refused, with a time to come back."""

import pytest

from defectory.errors import Exhausted
from defectory.serving.admission import Admission, megapixels


def test_admission_refuses_beyond_its_limit_and_lets_a_large_call_in_alone() -> None:
    admission = Admission(4)
    with admission.admitted(9), pytest.raises(Exhausted) as caught, admission.admitted(1):
        pass
    assert 0.05 <= caught.value.retry_after_s <= 30
    with admission.admitted(3), admission.admitted(1), pytest.raises(Exhausted), admission.admitted(1):
        pass
    with admission.admitted(4):
        pass


def test_parts_of_a_whole_leave_nothing_behind() -> None:
    admission = Admission(1, "megapixels")
    for _ in range(100):
        with admission.admitted(0.1), admission.admitted(0.2), admission.admitted(0.7 - 1e-9):
            pass
    with admission.admitted(1), pytest.raises(Exhausted, match="1 megapixels wait"), admission.admitted(1e-3):
        pass


def test_a_long_narrow_image_counts_for_more_than_its_area() -> None:
    assert megapixels(1000, 1000) == pytest.approx(1, rel=0.01)
    assert megapixels(1, 2_000_000) > 10
    assert megapixels(2_000_000, 1) == megapixels(1, 2_000_000)
