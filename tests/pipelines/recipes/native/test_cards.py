import io

import pytest
from astropy.io import fits
from hypothesis import example, given, strategies as st

from pipelines.recipes.native.cards import CARD_LENGTH, Header, card

KEYWORDS = st.sampled_from(["OBJECT", "MJD-OBS", "ESO DET READ MODE", "ESO PRO REC1 PARAM12 VALUE"])
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200).map(str.rstrip)
NUMBERS = st.one_of(
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


def lines(text: str) -> list[str]:
    return [text[i : i + CARD_LENGTH] for i in range(0, len(text), CARD_LENGTH)]


def as_astropy_sees(text: str) -> fits.Header:
    return fits.Header.fromfile(io.StringIO(text + "END".ljust(80)), padding=False)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(1.0, "1.0", id="a whole number keeps its point"),
        pytest.param(32768.0, "32768.0", id="BZERO as CPL wants it"),
        pytest.param(1e22, "1.0E+22", id="a point even before an exponent"),
        pytest.param(61042.3750488079, "61042.3750488079", id="a date keeps all its digits"),
        pytest.param(5, "5", id="a count has no point"),
        pytest.param(True, "T", id="a logical is one letter"),
    ],
)
def test_it_writes_numbers_so_that_their_type_can_be_seen(value, written):
    assert card("BZERO", value).split("=")[1].strip() == written


@given(KEYWORDS, st.one_of(TEXTS, NUMBERS))
def test_what_is_written_is_read_back_with_its_type(keyword, value):
    header = Header(lines(card(keyword, value, "a comment")))

    assert header[keyword] == value
    assert type(header[keyword]) is type(value)


# astropy stumbles over a quote followed by a slash, which FITS allows.
@given(KEYWORDS, TEXTS.filter(lambda text: not ("'" in text and "/" in text)))
@example("OBJECT", "O'Brien's star")
@example("ESO PRO REC1 PARAM12 VALUE", "/a/long/path" * 12)
def test_astropy_reads_the_same_text(keyword, text):
    assert as_astropy_sees(card(keyword, text))[keyword] == text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_it_refuses_what_fits_cannot_write(value):
    with pytest.raises(ValueError, match="FITS has no way"):
        card("ESO QC BIAS LEVEL", value)


def test_it_cleans_what_is_not_ascii():
    assert Header([card("OBSERVER", "Ångström\n")])["OBSERVER"] == "?ngstr?m?"


def test_it_cuts_a_comment_rather_than_a_value():
    text = card("ESO QC BIAS RON RAW", 3.0145, "[ADU] " + "long " * 20)

    assert len(text) == CARD_LENGTH
    assert Header([text])["ESO QC BIAS RON RAW"] == 3.0145


def test_a_keyword_that_is_not_there_is_none_and_a_text_is_no_number():
    header = Header([card("OBJECT", "BIAS"), card("NAXIS", 2), card("EXTEND", True)])

    assert header.number("EXPTIME") is None
    assert header.number("OBJECT") is None
    assert header.number("EXTEND") is None
    assert header.integer("NAXIS") == 2
    assert header.text("EXTNAME", "PRIMARY") == "PRIMARY"


def test_it_reads_a_fortran_exponent_and_passes_over_comments():
    header = Header(["COMMENT = 'not a value'", "EXPTIME = 1.5D2 / s", "BROKEN  = 1..2"])

    assert header["EXPTIME"] == 150.0
    assert "BROKEN" not in header
