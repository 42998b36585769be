"""Whatever a text holds, it stays that text."""

import tomllib

from hypothesis import given, strategies as st

from pipelines.domain.toml_writer import TomlWriter

# A file holds no half of a surrogate pair; all else must come back.
texts = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE = [
    'a"\n[evil]\nx = 1',
    '"""',
    "\\",
    "\\u0041",
    "'''\n[[tables]]",
    "\r\n[a]",
    "\u2028[a]",
    "\x85[a]",
    "# no comment",
    "\x00\x1b[31m\x7f",
]


def written(key, value):
    writer = TomlWriter()
    writer.section("a")
    writer.comment(str(value))
    writer.pair(key, value)
    return tomllib.loads(writer.text())


@given(texts, texts)
def test_any_key_and_text_come_back_and_nothing_else(key, text):
    assert written(key, text) == {"a": {key: text}}


@given(st.lists(texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
def test_any_list_comes_back(items):
    assert written("k", items) == {"a": {"k": items}}


def test_no_text_breaks_out():
    for text in HOSTILE:
        assert written("k", text) == {"a": {"k": text}}
        assert written(text, True) == {"a": {text: True}}


def test_half_a_surrogate_pair_becomes_a_sign():
    assert written("k", "a\udc80b") == {"a": {"k": "a\ufffdb"}}


def test_a_long_list_has_a_line_for_each():
    writer = TomlWriter()
    writer.pair("names", [f"A_RATHER_LONG_NAME_{n}" for n in range(6)])
    assert max(map(len, writer.text().splitlines())) < 40
    assert len(tomllib.loads(writer.text())["names"]) == 6
