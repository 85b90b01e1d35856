"""The model of a factory's scale: numbers by hand, and rows of the page that are there."""

import pytest

from bench.scale import Asked, Rates, bounds, stages

ASKED = Asked(
    products=10, labels=2, photographs=100, synthetic=36_000, kimg=36, cameras=4, per_camera=5, put_price=5,
    get_price=1, gigabyte_price=0.1, core_price=0.5, gpu_price=3,
)  # fmt: skip
RATES = Rates(
    training=10, synthesis=100, image_bytes=10_000, forward=50, gate_s=100, serving_ms=10, model_s=2, model_mb=100,
    service_mb=296,
)  # fmt: skip


def test_work_by_hand() -> None:
    _, train, synthesis, score, gate = stages(ASKED, RATES)
    assert train.hours == pytest.approx(20)  # 10 products, 2 labels, 36,000 images each: 720,000 at 10 a second
    assert synthesis.hours == pytest.approx(0.1)
    assert (synthesis.puts, synthesis.stored_gb) == (36_000, 0.36)
    assert (score.hours, score.gets) == (0.2, 36_000)
    assert gate.hours == pytest.approx(36_000 * 100 / 1e9 * 100 / 3600)
    # Two cores for six minutes at 50 cents, 36,000 puts at 5 dollars a million, 0.36 GB at 10 cents.
    assert float(synthesis.row(ASKED)[-1]) == round(0.1 * 2 * 0.5 + 0.036 * 5 + 0.36 * 0.1)


def test_the_scarcest_bound_comes_first() -> None:
    met = {bound.what: bound for bound in bounds(ASKED, RATES)}
    times = [bound.times for bound in bounds(ASKED, RATES)]
    assert times == sorted(times)
    memory = next(bound for what, bound in met.items() if "memory" in what)
    assert memory.there == 39  # the first in 296 of 4096 MiB, and 38 of 100 behind it
    assert memory.needed == 10
    pictures = next(bound for what, bound in met.items() if what.startswith("pictures"))
    assert (pictures.there, pictures.needed) == (400, 20)  # two pods of two cores, 10 ms each; 4 cameras of 5


def test_the_rates_are_rows_of_the_page_of_benchmarks() -> None:
    assert min(vars(Rates.measured()).values()) > 0
