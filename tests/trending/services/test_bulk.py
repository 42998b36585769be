"""Columns of many cells come out as single cells do, on either database."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from trending.models import ColumnType, QC1Parameter
from trending.services.batch import clean, clean_column

CELL = st.one_of(
    st.none(), st.floats(), st.integers(-(10**20), 10**20), st.booleans(),
    st.sampled_from(["", " ", "NaN", "1_0", "-999", "-999.0", "+.5", "1e", "٣", "abc", "0x1"]),
    st.floats(allow_nan=False).map(repr), st.text(max_size=5),
)  # fmt: skip
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr)


@settings(max_examples=300, deadline=None)
@given(
    cells=st.one_of(st.lists(CELL, max_size=80), st.lists(NUMBERS, min_size=40, max_size=80)),
    kind=st.sampled_from(list(ColumnType)),
)
def test_a_column_is_cleaned_as_its_cells_are(cells, kind):
    parameter = QC1Parameter(name="level", type=kind, missing_values=[-1.0])
    column = clean_column(parameter, cells, len(cells))
    for place, cell in enumerate(cells):
        one = clean(parameter, cell)
        words = column.words.get(place, ("", ""))
        assert words == (one.text, one.missing_reason), cell
        number = column.numbers[place]
        assert np.isnan(number) if one.value is None else number == one.value, cell


def test_an_array_of_numbers_is_taken_as_it_is():
    parameter = QC1Parameter(name="level", type=ColumnType.FLOAT, missing_values=[])
    values = np.r_[np.arange(40.0), np.nan, np.inf, -999.0]
    column = clean_column(parameter, values, values.size)
    assert column.numbers[:40].tolist() == list(range(40))
    assert {place: reason for place, (_, reason) in column.words.items()} == {
        40: "NaN", 41: "infinite", 42: "sentinel -999",
    }  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 100])
def test_a_column_that_is_not_there_is_missing_everywhere(n):
    parameter = QC1Parameter(name="level", type=ColumnType.FLOAT, missing_values=[])
    assert len(clean_column(parameter, None, n).words) == n
