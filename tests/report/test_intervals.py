"""Numbers show as many digits as their intervals allow, and bars stand where the numbers are."""

from __future__ import annotations

import math
import re

import pytest

from mmai_gym.contracts import Estimate
from mmai_gym.report.intervals import Axis, decimals, estimate_text, interval_bar, number


def estimate(value: float, low: float, high: float, better: bool = True) -> Estimate:
    return Estimate(value, low, high, 50, "Wilson", "", better)


@pytest.mark.parametrize(
    ("half", "places"), [(0.00001, 4), (0.004, 4), (0.034, 3), (0.5, 2), (3.0, 1), (12.0, 0), (500.0, 0)]
)
def test_decimals_show_two_digits_of_the_half_interval(half: float, places: int) -> None:
    assert decimals([estimate(0.0, -half, half)]) == places


def test_the_narrowest_interval_of_a_task_sets_the_decimals_and_undefined_ones_do_not() -> None:
    assert decimals([estimate(1, 0.5, 1.5), estimate(1, 0.97, 1.03), estimate(1, math.nan, math.nan)]) == 3
    assert decimals([]) == decimals([estimate(1, 1, 1)]) == 3


def test_an_estimate_is_written_with_its_interval_and_its_exact_value() -> None:
    written = estimate_text(estimate(-0.7321234, -0.75, -0.71), 3)
    assert 'value="-0.7321234"' in written
    assert re.sub("<[^>]+>", "", written) == "−0.732 [−0.750, −0.710]"


def test_an_undefined_estimate_is_called_undefined() -> None:
    written = estimate_text(estimate(math.nan, math.nan, math.nan), 3)
    assert "undefined" in written and "[" not in written
    assert number(math.inf, 2) == "undefined"


def test_the_axis_holds_every_interval_and_places_values_in_proportion() -> None:
    axis = Axis.over([estimate(2, 1, 3), estimate(8, 6, 11), estimate(math.nan, math.nan, math.nan)])
    assert axis.low < 1 and axis.high > 11
    assert Axis(0.0, 4.0).percent(1.0) == "25.00%"


def test_a_quantity_that_is_never_negative_keeps_an_axis_from_zero_up() -> None:
    assert Axis.over([estimate(0.0, 0.0, 0.04)]).low == 0.0
    assert Axis.over([estimate(-0.1, -0.2, 0.0)]).low < -0.2


@pytest.mark.parametrize("value", [0.0, -3.0, 7.0])
def test_an_axis_has_a_width_even_for_one_value(value: float) -> None:
    axis = Axis.over([estimate(value, value, value)])
    assert axis.low <= value <= axis.high and axis.high > axis.low


def test_a_bar_draws_what_is_defined() -> None:
    bar = interval_bar(estimate(1, 0, 4), Axis(0, 4), reference=2)
    assert 'class="span" x1="0.00%" x2="100.00%"' in bar and 'cx="25.00%"' in bar and 'x1="50.00%"' in bar
    empty = interval_bar(estimate(math.nan, math.nan, math.nan), Axis(0, 1), reference=math.nan)
    assert "circle" not in empty and "reference" not in empty and 'class="span"' not in empty
