"""The 80-character cards of a FITS header: written, read, looked up.

A process starts for every block, and importing astropy costs more than reducing a small detector;
these few lines know all that our own recipes and the simulator need.
"""

import math
import re
from collections.abc import Iterable, Iterator

Value = str | int | float | bool

CARD_LENGTH = 80
BLOCK_LENGTH = 2880
_PRINTABLE = re.compile(r"[^ -~]")
_CARD = re.compile(
    r"(?:HIERARCH (?P<long>[^=]+?)|(?P<short>[A-Z0-9_-]{1,8})) *=\s*"
    r"(?P<value>'(?:[^']|'')*'|[^/]*)"
)
_CONTINUE = re.compile(r"CONTINUE +(?P<value>'(?:[^']|'')*')")


def card(keyword: str, value: Value, comment: str = "") -> str:
    """Write one card; a text too long for it goes on in CONTINUE cards."""
    head = _head(keyword)
    if isinstance(value, str):
        return _text_cards(head, _PRINTABLE.sub("?", value), comment)
    number = _number(value)
    text = f"{head}{number:>20}" if len(keyword) <= 8 and " " not in keyword else head + number
    if len(text) > CARD_LENGTH:
        raise ValueError(f"{keyword} does not fit on a card: {text!r}")
    return _with_comment(text, comment)


def _head(keyword: str) -> str:
    if len(keyword) <= 8 and " " not in keyword:
        return f"{keyword:8}= "
    return f"HIERARCH {keyword} = "


def _number(value: int | float) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"FITS has no way to write {value}")
    # CPL reads a number without a decimal point as an integer, and then refuses its type.
    mantissa, _, exponent = repr(float(value)).upper().partition("E")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}E{exponent}" if exponent else mantissa


def _with_comment(text: str, comment: str) -> str:
    if comment:
        text = f"{text} / {_PRINTABLE.sub('?', comment)}"
    return text[:CARD_LENGTH].ljust(CARD_LENGTH)


def _text_cards(head: str, text: str, comment: str) -> str:
    quoted = text.replace("'", "''")
    if len(head) + len(quoted) + 2 <= CARD_LENGTH:
        # Comments begin in column 33 where they can: astropy sums a CHECKSUM card laid out so.
        value = f"'{quoted:8}'"
        return _with_comment(head + (value if "HIERARCH" in head else f"{value:20}"), comment)
    pieces = list(_pieces(text, CARD_LENGTH - len(head) - 3))
    heads = [head] + ["CONTINUE  "] * (len(pieces) - 1)
    joints = ["&"] * (len(pieces) - 1) + [""]
    return "".join(
        f"{start}'{piece}{joint}'".ljust(CARD_LENGTH)
        for start, piece, joint in zip(heads, pieces, joints, strict=True)
    )


def _pieces(text: str, room: int) -> Iterator[str]:
    """Cut a text so that each piece, its quotes doubled, fits into its card."""
    piece = ""
    for character in text.replace("'", "\0"):
        written = character.replace("\0", "''")
        if len(piece) + len(written) > room:
            yield piece
            piece, room = "", CARD_LENGTH - len("CONTINUE  ") - 3
        piece += written
    yield piece


class Header:
    """The cards of one HDU, as they are in the file, and their values by keyword.

    Hierarchical keywords lose their HIERARCH: ``header["ESO DET BINX"]``.
    """

    def __init__(self, cards: Iterable[str]) -> None:
        self.cards = tuple(cards)
        self.values: dict[str, Value] = dict(_values(self.cards))

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.values

    def __getitem__(self, keyword: str) -> Value:
        return self.values[keyword]

    def text(self, keyword: str, default: str = "") -> str:
        return str(self.values.get(keyword, default))

    def number(self, keyword: str) -> float | None:
        """Give a number, or None when it is absent or not a number."""
        value = self.values.get(keyword)
        return None if value is None or isinstance(value, (str, bool)) else float(value)

    def integer(self, keyword: str, default: int = 0) -> int:
        value = self.number(keyword)
        return default if value is None else int(value)


def _values(cards: Iterable[str]) -> Iterator[tuple[str, Value]]:
    keyword, text = "", ""
    for line in cards:
        continued = _CONTINUE.match(line)
        if continued and keyword and text.endswith("&"):
            text = text[:-1] + _unquote(continued["value"])
            yield keyword, text  # a dict keeps the last, which is the longest
            continue
        match = _CARD.match(line)
        keyword = (match["long"] or match["short"]) if match else ""
        value = _parse(match["value"].strip()) if match else None
        text = value if isinstance(value, str) else ""
        if value is not None:
            yield keyword, value


def _parse(text: str) -> Value | None:
    if text.startswith("'"):
        return _unquote(text)
    if text in {"T", "F"}:
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text.replace("D", "E"))
        except ValueError:
            continue
    return None


def _unquote(text: str) -> str:
    return text[1:-1].replace("''", "'").rstrip()
