"""Histograms keep their promises about percentiles; merging is counting both."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics import Counters, Histogram, to_json

values = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200)


def filled(numbers) -> Histogram:
    histogram = Histogram()
    for number in numbers:
        histogram.add(number)
    return histogram


@given(values, st.sampled_from([1, 50, 90, 99, 100]))
def test_percentiles_are_within_a_bucket(numbers, percent):
    exact = np.percentile(numbers, percent, method="inverted_cdf")
    assert exact * 0.9999 <= filled(numbers).percentile(percent) <= exact * 1.045


@given(values, values)
def test_merging_is_counting_both(a, b):
    merged, both = filled(a).merge(filled(b)), filled([*a, *b])
    assert merged.to_dict() == {**both.to_dict(), "mean": merged.to_dict()["mean"]}
    assert np.isclose(merged.mean, both.mean)


def test_odd_values():
    histogram = filled([0.0, -3.0, float("nan"), float("inf")])
    assert (histogram.count, histogram.maximum, histogram.percentile(50)) == (2, 0.0, 0.0)
    assert Histogram().to_dict() == {"count": 0, "mean": 0.0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    assert filled([1e30]).percentile(99) <= 1e30


def test_counters_and_json():
    counters = Counters()
    counters.add("gaps")
    counters.add("gaps", 4)
    assert counters["gaps"] == 5 and counters["never"] == 0
    text = json.dumps(to_json({"a": {"b": counters, "c": filled([2.0])}, "d": 1}))
    assert json.loads(text)["a"]["b"] == {"gaps": 5} and json.loads(text)["a"]["c"]["max"] == 2.0
