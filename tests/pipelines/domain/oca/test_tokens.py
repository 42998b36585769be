"""The lexical traps of real rule files, one test each."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import OcaSyntaxError
from pipelines.domain.oca.tokens import Cursor, Kind, number, tokenise, unquote


def texts(text):
    return [token.text for token in tokenise(text)[:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MJD-OBS", ["MJD-OBS"]),
        ("MJD-OBS>57023", ["MJD-OBS", ">", "57023"]),
        ("inputFile.MJD-OBS - MJD-OBS", ["inputFile.MJD-OBS", "-", "MJD-OBS"]),
        ("MJD-OBS-15.", ["MJD-OBS", "-", "15."]),
        ("MJD-OBS -MJD-OBS", ["MJD-OBS", "-", "MJD-OBS"]),
        ("inputFile.MJD-OBS-MJD-OBS<0.5", ["inputFile.MJD-OBS", "-", "MJD-OBS", "<", "0.5"]),
        ("OBS.PI-COI.ID", ["OBS.PI-COI.ID"]),
        ("DET.NX-DET.NY", ["DET.NX-DET.NY"]),
        ("DET.WIN1.BINYand inputFile.INS.MODE", ["DET.WIN1.BINY", "and", "inputFile.INS.MODE"]),
        ('"%P2VM%"and INSTRUME', ['"%P2VM%"', "and", "INSTRUME"]),
        ("15. 57823. 0. .2 1e3 1.5E-2", ["15.", "57823.", "0.", ".2", "1e3", "1.5E-2"]),
        ("-999.99", ["-", "999.99"]),
        ("15.and", ["15.", "and"]),
        ('"--nifu=-1 --merge" "slit#5.0" "// /* %"', None),
        ("A/// Added because\nB", ["A", "B"]),
        ("A/* over\nseveral /* lines */B", ["A", "B"]),
        ("A==B\n  ;", ["A", "==", "B", ";"]),
        ("A\r\nB\rC", ["A", "B", "C"]),
        ("\ufeffif", ["if"]),
        ("a<=b>=c?=d!=e", ["a", "<=", "b", ">=", "c", "?=", "d", "!=", "e"]),
    ],
)
def test_it_cuts_the_text_as_the_engines_do(text, expected):
    if expected is None:
        expected = ['"--nifu=-1 --merge"', '"slit#5.0"', '"// /* %"']
    assert texts(text) == expected


def test_lines_and_columns_count_from_one():
    tokens = tokenise('if\n  /* a\n b */ A == "x"\r\n\tthen')
    places = [(token.text, token.line, token.column) for token in tokens]
    assert places == [
        ("if", 1, 1),
        ("A", 3, 7),
        ("==", 3, 9),
        ('"x"', 3, 12),
        ("then", 4, 2),
        ("", 4, 6),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('A == "open', "1:6: expected a closing quote on the same line"),
        ('"open\n"', "1:1: expected a closing quote on the same line"),
        ("a\n /* open", "2:2: expected '*/' somewhere after this '/*'"),
        ('#include "x"', "1:1: expected OCA text without preprocessor lines, found '#'"),
        ("a $", "1:3: expected a word, a string, a number or a sign, found '$'"),
        ("a \x00", r"1:3: expected a word, a string, a number or a sign, found '\x00'"),
        ("DET.bin", "1:4: expected a word, a string, a number or a sign, found '.'"),
    ],
)
def test_a_stray_character_is_an_error_with_its_place(text, message):
    with pytest.raises(OcaSyntaxError) as caught:
        tokenise(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\nINFO: "', "\nINFO: "),
        (r'"a\"b\\c\td\r"', 'a"b\\c\td\r'),
        (r'"\d+\."', r"\d+\."),
        ('"IFU_SKY_IDS "', "IFU_SKY_IDS "),
    ],
)
def test_strings_know_the_escapes_of_c_and_leave_others_alone(text, value):
    assert unquote(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("15.", 15.0), (".2", 0.2), ("1e3", 1000.0), ("007", 7)]
)
def test_a_number_is_whole_unless_it_has_a_point_or_an_exponent(text, value):
    result = number(tokenise(text)[0])
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize("text", ["1e999", "9" * 5000])
def test_a_number_beyond_all_measure_is_an_error(text):
    with pytest.raises(OcaSyntaxError, match="1:1: expected a finite number"):
        number(tokenise(text)[0])


@pytest.mark.parametrize("name", ["DARK_action", "muse_bias", "STD_TELLURIC_m", "_x", "A1b2C"])
def test_names_may_mix_upper_and_lower_case(name):
    cursor = Cursor(tokenise(f"{name} {{"))
    assert cursor.name("a name") == name
    assert cursor.token.text == "{"


@pytest.mark.parametrize("text", ["2D_action", "MJD-OBS", "A.B", '"a"', "{", "", "inputFile.A"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(OcaSyntaxError, match="expected a name, found"):
        Cursor(tokenise(text)).name("a name")


def test_a_name_ends_where_a_blank_begins():
    assert Cursor(tokenise("DARK action")).name("a name") == "DARK"


@pytest.mark.parametrize("text", ["T", "F", "inputFile.A", "a", '"A"'])
def test_logical_values_and_reference_keywords_cannot_be_assigned(text):
    with pytest.raises(OcaSyntaxError, match="expected a header keyword"):
        Cursor(tokenise(text)).keyword()


def test_the_end_of_the_file_is_never_passed():
    cursor = Cursor(tokenise(""))
    assert [cursor.advance().kind, cursor.advance().kind] == [Kind.END, Kind.END]
    with pytest.raises(OcaSyntaxError, match="found the end of the file"):
        cursor.expect(";")


def outcome(text):
    try:
        return tokenise(text)
    except OcaSyntaxError as error:
        return error


@given(st.text())
def test_any_text_is_cut_or_refused_with_a_place_inside_it(text):
    result = outcome(text)
    if isinstance(result, OcaSyntaxError):
        assert 1 <= result.line <= text.count("\n") + text.count("\r") + 1
        assert result.column >= 1
    else:
        assert result[-1].kind is Kind.END


@pytest.mark.parametrize("text", ['"a\0"', "// a\0\n", "/* a\0 */"])
def test_a_nul_is_refused_wherever_it_stands_since_no_database_takes_it(text):
    with pytest.raises(OcaSyntaxError):
        tokenise(text)
