"""Limits beyond the table of docs/scoring.md: construction, round trip, junk."""

import math

import pytest
from hypothesis import given, strategies as st

from trending.domain.limits import NOT_SCORED, LimitsError, Method, MethodKind, parse_limits

bounds = st.floats(allow_nan=False, allow_infinity=False)
amounts = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
two_sided = st.tuples(bounds, bounds).map(sorted).map(tuple)
fixed = st.one_of(two_sided, st.tuples(bounds, st.none()), st.tuples(st.none(), bounds))
statistical = st.sampled_from([MethodKind.PCT, MethodKind.SIG, MethodKind.MAD, MethodKind.OFF])
methods = st.one_of(
    fixed.map(lambda pair: Method(MethodKind.VAL, *pair)),
    st.builds(Method, statistical, amount=amounts),
    st.just(NOT_SCORED),
)


@given(methods)
def test_every_method_is_read_back_as_it_is_printed(method):
    text = str(method)
    assert parse_limits(text) == method
    assert str(parse_limits(text)) == text
    assert len(text) <= 64


@given(st.text(alphabet="VALSIGMDOFnone%,…±−-+.0123456789eE \t", max_size=20) | st.text())
def test_any_text_is_limits_or_an_error_that_helps(text):
    try:
        method = parse_limits(text)
    except LimitsError as error:
        message = str(error)
    else:
        message = str(method)
        assert parse_limits(message) == method
    assert message


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (MethodKind.VAL, {}),
        (MethodKind.VAL, {"low": 2.0, "high": 1.0}),
        (MethodKind.VAL, {"low": math.nan}),
        (MethodKind.VAL, {"high": math.inf}),
        (MethodKind.SIG, {}),
        (MethodKind.SIG, {"amount": 0.0}),
        (MethodKind.PCT, {"amount": -1.0}),
        (MethodKind.MAD, {"amount": math.nan}),
        (MethodKind.OFF, {"amount": math.inf}),
    ],
)
def test_a_method_that_makes_no_limits_cannot_be_made(kind, numbers):
    with pytest.raises(LimitsError):
        Method(kind, **numbers)


def test_only_fixed_limits_need_no_earlier_values():
    kinds = {
        method.kind: method.is_statistical
        for method in map(parse_limits, ("VAL 0,1", "5%", "3SIG", "3MAD", "OFF 1", "none"))
    }
    assert [kind for kind, statistical in kinds.items() if not statistical] == [
        MethodKind.VAL,
        MethodKind.NONE,
    ]


def test_the_error_says_what_is_known():
    with pytest.raises(LimitsError) as caught:
        parse_limits("about 5")
    assert str(caught.value) == (
        "'about 5' is none of the forms known:"
        " VAL lo,hi (either may be left out), N%, nSIG, nMAD, OFF d, none"
    )
