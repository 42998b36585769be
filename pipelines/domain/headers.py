"""The 80-byte cards of a FITS header: names, values, and where in a header they stand.

The frames of one instrument in one mode have the same cards in the same places and differ in the
values only. So where a keyword stands is worked out once, as a layout; of the next header of that
layout it is only checked that every name is where it was, which costs a twentieth.
"""

import hashlib
import re
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeAlias

CARD = 80
Value: TypeAlias = str | int | float | bool

# Cards that describe the file and not the observation: they change when a file is compressed.
_STRUCTURAL = re.compile(
    rb"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|CHECKSUM|DATASUM"
    rb"|Z[A-Z]+\d*|TFIELDS|TTYPE\d+|TFORM\d+|THEAP|EXTNAME|FZ[A-Z]+|COMMENT|HISTORY|CONTINUE|)\s*$"
)
_SIZE_KEY = re.compile(r"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT)$")
_STRING = re.compile(r"\s*'((?:[^']|'')*)'")
_INT = re.compile(r"[+-]?\d+$")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
# As many as an instrument has modes; more are forgotten, the longest unused first.
_N_LAYOUTS = 64
# Of headers beyond any instrument's the layout is used once.
_LONGEST_KEPT = 5000 * CARD
_N_QUESTIONS = 8
_N_PROBES = 8

_Place: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which cards a header has, in which order.

    Attributes
    ----------
    length
        Bytes of the header, END left out.
    names
        Cuts the name out of each card, its equals sign included.
    expected
        The names.
    observed
        Cuts out the cards that describe the observation.
    places
        Keyword, first and last byte of the text after the equals sign, card by card.
    size_places
        Those of the keywords that give the size of the data.
    asked
        The places of the keywords that were asked for lately.
    """

    length: int
    names: struct.Struct
    expected: tuple[bytes, ...]
    observed: struct.Struct
    places: tuple[_Place, ...]
    size_places: tuple[_Place, ...]
    asked: dict[frozenset[str], tuple[_Place, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, header: bytes) -> "Layout":
        """Work out the layout of a header."""
        starts = range(0, len(header), CARD)
        widths = [_name_width(header, start) for start in starts]
        names = struct.Struct("".join([f"{width}s{CARD - width}x" for width in widths]))
        expected = names.unpack(header)
        told = list(map(_told_by, expected))
        places = tuple(
            (one.key, start + width, start + CARD)
            for one, start, width in zip(told, starts, widths, strict=True)
            if one.key
        )
        return cls(
            len(header),
            names,
            expected,
            struct.Struct("".join(["80s" if one.is_observed else "80x" for one in told])),
            places,
            tuple(place for place in places if _SIZE_KEY.match(place[0])),
        )

    def fits(self, header: bytes) -> bool:
        """Whether a header has these names in these places, and no others."""
        if len(header) != self.length:
            return False
        # A card more or less moves all behind it: a few names mostly tell that it is another layout.
        step = max(1, len(self.expected) // _N_PROBES)
        for n in range(len(self.expected) - 1, 0, -step):
            if not header.startswith(self.expected[n], n * CARD):
                return False
        return self.names.unpack(header) == self.expected

    def digest(self, header: bytes) -> str:
        """Return the SHA-256 of the cards that describe the observation, in their order."""
        cards = [*map(bytes.rstrip, self.observed.unpack(header)), b""]
        return hashlib.sha256(b"\n".join(cards)).hexdigest()

    def keywords(self, header: bytes, wanted: Collection[str]) -> dict[str, Value]:
        """Return the wanted keywords of a header; of a repeated keyword the last one."""
        question = wanted if isinstance(wanted, frozenset) else frozenset(wanted)
        places = self.asked.get(question)
        if places is None:
            if len(self.asked) >= _N_QUESTIONS:
                self.asked.clear()
            places = tuple(place for place in self.places if place[0] in question)
            self.asked[question] = places
        return _values(header, places)

    def sizes(self, header: bytes) -> dict[str, Value]:
        """Return the keywords that give the size of the data."""
        return _values(header, self.size_places)


def layout_of(header: bytes) -> Layout:
    """Return the layout of a header, one worked out before if it fits."""
    known = _known[:]
    layout = next((one for one in known if one.fits(header)), None) or Layout.of(header)
    if len(header) <= _LONGEST_KEPT and known[:1] != [layout]:
        # The next frame is mostly of the same template. Another thread may lose a layout by this,
        # and works it out again.
        _known[:] = [layout, *(one for one in known if one is not layout)][:_N_LAYOUTS]
    return layout


_known: list[Layout] = []


def _name_width(header: bytes, start: int) -> int:
    """Return how many bytes of a card tell its keyword: all to the equals sign."""
    if not header.startswith(b"HIERARCH ", start) or header.startswith(b"= ", start + 8):
        return 10
    equals = header.find(b"=", start, start + CARD)
    return CARD if equals < 0 else equals + 1 - start


class _Told(NamedTuple):
    """What the name of a card tells."""

    key: str
    is_observed: bool


# Templates of an instrument differ in few cards: most names of a new layout are known.
@lru_cache(maxsize=1 << 14)
def _told_by(name: bytes) -> _Told:
    return _Told(split_card(name)[0], not _STRUCTURAL.match(name[:8]))


def split_card(card: bytes) -> tuple[str, int]:
    """Return the OCA name of a card and where the text after its equals sign begins.

    >>> split_card(b"HIERARCH ESO DPR CATG = 'CALIB'"), split_card(b"COMMENT none")
    (('DPR.CATG', 23), ('', 0))
    """
    if card[8:10] == b"= ":
        return card[:8].decode("ascii", "replace").rstrip(), 10
    if card.startswith(b"HIERARCH "):
        name, equals, _ = card[9:].partition(b"=")
        if equals:
            words = name.decode("ascii", "replace").split()
            return ".".join(words[1:] if words[:1] == ["ESO"] else words), 10 + len(name)
    return "", 0


def _values(header: bytes, places: Sequence[_Place]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, start, end in places:
        value = parse_value(header[start:end].decode("ascii", "replace"))
        if value is not None:
            found[key] = value
    return found


def parse_keywords(cards: Sequence[bytes], wanted: Collection[str]) -> dict[str, Value]:
    """Return the wanted keywords of cards read one by one; of a repeated keyword the last one."""
    return {key: value for key, value, _ in all_keywords(cards) if key in wanted}


def all_keywords(cards: Sequence[bytes]) -> Iterator[tuple[str, Value, str]]:
    """Yield keyword, value and comment of each card that has a value."""
    for card in cards:
        key, start = split_card(card)
        text = card[start:].decode("ascii", "replace")
        value = parse_value(text) if key else None
        if value is not None:
            yield key, value, _comment(text)


def parse_value(text: str) -> Value | None:
    """Return the value of a card's text; None when it has none.

    >>> parse_value(" 'IT''S   '  / a comment"), parse_value("   3 / n"), parse_value(" T")
    ("IT'S", 3, True)
    """
    if match := _STRING.match(text):
        return _UNPRINTABLE.sub("?", match[1].replace("''", "'").rstrip())
    word = text.partition("/")[0].strip()
    if word in {"T", "F"}:
        return word == "T"
    if _INT.match(word) and len(word) < 20:
        return int(word)
    try:
        number = float(word.replace("D", "E"))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _comment(text: str) -> str:
    match = _STRING.match(text)
    rest = text[match.end() :] if match else text
    return _UNPRINTABLE.sub("?", rest.partition("/")[2].strip())
