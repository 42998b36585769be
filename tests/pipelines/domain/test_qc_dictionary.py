"""Dictionaries of QC parameters, as they are and as they should not be."""

import re

import pytest

from pipelines.domain.qc_dictionary import DictionaryError, parse_dictionary

HEAD = "Dictionary Name:   ESO-DFS-DIC.HAWKI_QC\nScope: QC\nDescription: A dictionary.\n"
ENTRY = (
    "\nParameter Name:    QC RON MEAN\nClass:             header|qc-log\n"
    "Context:           process\nType:              double  \nValue Format:      %f\n"
    "Unit:              ADU\nComment Field:     Mean of the RONs\n"
    "Description:        Mean of the RON\n     from each\ninput frame: all of them\n"
)


def parsed(text):
    return parse_dictionary("HAWKI_QC", text)


def test_a_parameter_has_name_type_unit_and_the_whole_description():
    (one,) = parsed(HEAD + ENTRY).parameters
    assert (one.keyword, one.type, one.unit) == ("QC.RON.MEAN", "float", "ADU")
    assert one.description == "Mean of the RON from each input frame: all of them"
    assert one.line == 5


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("double", "float"),
        ("float", "float"),
        ("int", "float"),
        ("Integer", "float"),
        ("string", "text"),
        ("logical", "flag"),
    ],
)
def test_types_become_ours(written, kind):
    assert parsed(HEAD + ENTRY.replace("double  ", written)).parameters[0].type == kind


def test_other_spellings_of_the_fields_are_known():
    text = (
        ENTRY.replace("Parameter Name:", "Parameter name:  \t")
        .replace("Comment Field", "Comment format")
        .partition("Description")[0]
    )
    (one,) = parsed(HEAD + text).parameters
    assert (one.name, one.description) == ("QC RON MEAN", "Mean of the RONs")


def test_without_any_words_the_name_is_the_description():
    (one,) = parsed(HEAD + "Parameter Name: QC A\nType: int\n").parameters
    assert (one.description, one.unit) == ("QC A", "")


def test_comments_say_recipe_and_product_until_the_next_ones():
    text = (
        f"{HEAD}# Recipe: my_bias\n# Product frame: MASTER_BIAS (final)\n{ENTRY}"
        f"  # Product frame: BPM (final)\n{ENTRY}# Recipe: my_dark\n{ENTRY}"
    )
    made = [(one.recipe, one.product) for one in parsed(text).parameters]
    assert made == [("my_bias", "MASTER_BIAS"), ("my_bias", "BPM"), ("my_dark", "")]


def test_what_cannot_be_used_is_left_out_with_reason_and_line():
    odd = [
        ("INS MODE", "string"),
        ("", "int"),
        ("QC A", "quaternion"),
        ("QC B", ""),
        ("QC C;D", "int"),
    ]
    text = (
        HEAD
        + ENTRY
        + ENTRY
        + "".join(f"Parameter Name: {name}\nType: {kind}\n" for name, kind in odd)
    )
    found = parsed(text)
    assert [one.name for one in found.parameters] == ["QC RON MEAN"]
    assert found.left_out == {
        "it is there twice": ["QC RON MEAN (line 16)"],
        "no QC parameter": ["INS MODE (line 26)"],
        "it has no name": ["(line 28)"],
        "its type is 'quaternion'": ["QC A (line 30)"],
        "it has no type": ["QC B (line 32)"],
        "its name is no header keyword": ["QC C;D (line 34)"],
    }


def test_signs_that_no_page_shows_become_blanks():
    (one,) = parsed(HEAD + ENTRY.replace("ADU", "\x1b[31mA\x85DU\u202e")).parameters
    assert one.unit == "[31mA DU"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "HAWKI_QC:1: Dictionary Name is ''"),
        ("SIMPLE  = T", "HAWKI_QC:1: Dictionary Name is ''"),
        (HEAD.replace("ESO-DFS-DIC.HAWKI_QC", "HAWKI"), "Dictionary Name is 'HAWKI'"),
        (HEAD, "HAWKI_QC:4: it has no Parameter Name"),
        (HEAD + "\n\0", "HAWKI_QC:5: it holds a NUL"),
    ],
)
def test_what_is_no_dictionary_is_refused_with_its_place(text, said):
    with pytest.raises(DictionaryError, match=re.escape(said)):
        parsed(text)
