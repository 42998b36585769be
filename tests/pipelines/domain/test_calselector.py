"""Association trees as XML: the real one goes round to the byte; what is none is refused."""

from pathlib import Path

import pytest

from pipelines.domain.calselector import (
    Association,
    MatchQuality,
    Mode,
    TreeError,
    TreeFile,
    read_tree,
    write_tree,
)

REAL = Path(__file__).parents[2] / "data" / "calselector" / "raw2raw.xml"


def test_the_real_tree_is_read_and_written_again_to_the_byte():
    text = REAL.read_text(encoding="utf-8")
    tree = read_tree(text)
    assert write_tree(tree) == text
    assert (tree.category, tree.mode, tree.match) == ("SCI_IMG_2x2_low", Mode.RAW2RAW, None)
    assert [one.category for one in tree.associated] == ["FLAT_SKY", *["STD_IMA"] * 3, "BIAS"]
    assert [len(one.files) for one in tree.associated] == [5, 1, 1, 1, 20]
    assert tree.associated[1].associated[0].match is MatchQuality.ANY


def test_messages_and_odd_characters_go_round():
    tree = Association(
        'A "quoted" <name> & more',
        False,
        False,
        (TreeFile("BIAS", "X'1\"2"),),
        messages=("MASTER_BIAS 0 of 1 <missing>",),
        mode=Mode.RAW2MASTER,
    )
    assert read_tree(write_tree(tree)) == tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not xml", "not XML"),
        ("<tree/>", "expected <association>"),
        ('<association category="A" certified="true"/>', "no attribute 'complete'"),
        ('<association category="A" certified="true" complete="true" mode="x"/>', "'x'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><association/>', "entities"),
        ("<association>" * 20000, "XML|nested"),
    ],
)
def test_what_is_no_tree_is_refused(text, said):
    with pytest.raises(TreeError, match=f"(?i){said}"):
        read_tree(text)
