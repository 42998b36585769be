"""Layouts give what reading every card anew gives: values, digest and sizes."""

import hashlib
import re

from hypothesis import given, settings as budget, strategies as st

from pipelines.domain import headers
from pipelines.domain.headers import CARD, Layout, layout_of, parse_value

# What digests in databases were made with: it must never change.
STRUCTURAL = re.compile(
    rb"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|CHECKSUM|DATASUM"
    rb"|Z[A-Z]+\d*|TFIELDS|TTYPE\d+|TFORM\d+|THEAP|EXTNAME|FZ[A-Z]+|COMMENT|HISTORY|CONTINUE|)\s*$"
)


def digest_card_by_card(cards):
    digest = hashlib.sha256()
    for card in cards:
        if not STRUCTURAL.match(card[:8]):
            digest.update(card.rstrip())
            digest.update(b"\n")
    return digest.hexdigest()


def split_card_by_card(card):
    if card[8:10] == b"= ":
        return card[:8].decode("ascii", "replace").rstrip(), card[10:].decode("ascii", "replace")
    if card.startswith(b"HIERARCH "):
        name, equals, text = card[9:].partition(b"=")
        if equals:
            words = name.decode("ascii", "replace").split()
            name = ".".join(words[1:] if words[:1] == ["ESO"] else words)
            return name, text.decode("ascii", "replace")
    return "", ""


def keywords_card_by_card(cards, wanted):
    found = {}
    for key, text in map(split_card_by_card, cards):
        value = parse_value(text)
        if key and key in wanted and value is not None:
            found[key] = value
    return found


NAMES = [
    b"SIMPLE  = ", b"BITPIX  = ", b"NAXIS   = ", b"NAXIS1  = ", b"NAXIS12 = ", b"ZIMAGE  = ",
    b"MJD-OBS = ", b"MJD-OBS =", b"DATE    ", b"COMMENT ", b"COMMENT = ", b"        = ", b"",
    b"HIERARCH ESO DPR CATG = ", b"HIERARCH ESO DPR CATG=", b"HIERARCH  ESO  DPR CATG   = ",
    b"HIERARCH DPR CATG = ", b"HIERARCH ESO DPR CATG ", b"HIERARCH= ", b"HIERARCH =", b"HIERARCH \xff = ",
    b"CONTINUE  ", b"HISTORY = ", b"CHECKSUM= ", b"naxis   = ", b"NAXIS\t  = ",
]  # fmt: skip
VALUES = [
    b"'CALIB   ' / a = b",
    b"1",
    b"2",
    b"57080.5",
    b"T",
    b"",
    b"'a''b'",
    b"= 3",
    b"END",
    b"\x00",
]
WANTED = ["MJD-OBS", "DPR.CATG", "NAXIS1", "COMMENT", "HIERARCH", "NAXIS", ""]
cards = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.binary(max_size=6)).map(
    lambda each: b"".join(each).ljust(CARD)
)


@budget(max_examples=300)
@given(
    st.lists(st.lists(cards, max_size=8), min_size=1, max_size=3),
    st.frozensets(st.sampled_from(WANTED)),
    st.data(),
)
def test_a_layout_gives_what_each_card_gives(all_cards, wanted, data):
    headers._known.clear()
    for _ in range(8):
        one = data.draw(st.sampled_from(all_cards))
        if one and data.draw(st.booleans()):
            # The same names with another value, or one name more or other.
            one[data.draw(st.integers(0, len(one) - 1))] = data.draw(cards)
        header = b"".join(one)
        layout = layout_of(header)
        assert layout.digest(header) == digest_card_by_card(one)
        found = layout.keywords(header, wanted)
        assert list(found.items()) == list(keywords_card_by_card(one, wanted).items())
        assert headers.parse_keywords(one, wanted) == found
        sizes = {"BITPIX", "NAXIS", "NAXIS1", "NAXIS12", "PCOUNT", "GCOUNT"}
        assert layout.sizes(header) == keywords_card_by_card(one, sizes)


def header(*lines):
    return b"".join(line.ljust(CARD) for line in lines)


def test_a_layout_is_worked_out_once_and_the_oldest_is_forgotten(monkeypatch):
    headers._known.clear()
    made: list[bytes] = []
    of = Layout.of

    def counted(header):
        made.append(header)
        return of(header)

    monkeypatch.setattr(Layout, "of", counted)
    for n in range(20):
        layout_of(header(b"MJD-OBS = %d" % n, b"HIERARCH ESO INS ID = %d" % (n % 3)))
    assert len(made) == 1
    for n in range(100):
        layout_of(header(b"HIERARCH ESO INS%d ID = 1" % n))
    assert (len(made), len(headers._known)) == (101, headers._N_LAYOUTS)
    layout_of(header(*[b"A       = 1"] * 6000))
    assert len(headers._known) == headers._N_LAYOUTS
    assert headers._known[0].length == CARD


def test_few_questions_are_remembered():
    one = header(b"MJD-OBS = 1", b"EXPTIME = 2")
    layout = Layout.of(one)
    for n in range(100):
        assert layout.keywords(one, {"EXPTIME", f"K{n}"}) == {"EXPTIME": 2}
    assert len(layout.asked) <= 8
