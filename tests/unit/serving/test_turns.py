"""Who sees to one thing waits for nobody who sees to another."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from defectory.serving.operations.turns import Turns
from tests.patience import PATIENT_S


def test_another_key_is_not_waited_for() -> None:
    turns = Turns()
    with turns.of("a"):
        entered = threading.Event()

        def enter() -> None:
            with turns.of("b"):
                entered.set()

        threading.Thread(target=enter, daemon=True).start()
        assert entered.wait(PATIENT_S)


def test_of_one_key_one_is_inside_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    def enter(_: int) -> None:
        nonlocal inside, most
        with turns.of("a"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            inside -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(enter, range(200)))
    assert most == 1


def test_nothing_is_kept_of_keys_that_are_out_of_use() -> None:
    turns = Turns()
    for key in ("a", "b"):
        try:
            with turns.of(key):
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert turns._locks == {}
