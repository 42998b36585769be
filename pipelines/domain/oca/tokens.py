"""The words of a rule file, each with the line and column it stands at.

Header keywords are upper case only, names of actions and recipes may be mixed. One pass over the
text cannot know which of the two it reads, so a run of capitals always becomes a KEYWORD, and
`Cursor.name` joins it with the letters glued to it where a name is due. The same rule reads
``BINYand`` as the keyword BINY and the word ``and``, as two released rule files need.
"""

import math
import re
from enum import StrEnum
from typing import NamedTuple, NoReturn

from .errors import OcaSyntaxError

REFERENCE_PREFIX = "inputFile."

# A keyword holds one hyphen at most: MJD-OBS-MJD-OBS is a difference. A hyphen before a digit is
# always a minus: MJD-OBS-15. is a date fifteen days earlier.
_KEYWORD = r"[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*(?:-[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)?"
_TOKEN = re.compile(
    rf"""
    (?P<BLANK>   [ \t\f\v]+ | //[^\n\0]* )
  | (?P<LINES>   \n[ \t\f\v\n]* | /\*[^\0]*?\*/ )
  | (?P<STRING>  "(?:[^"\\\n\0]|\\[^\n\0])*" )
  | (?P<KEYWORD> (?:inputFile\.)?{_KEYWORD} )
  | (?P<WORD>    [a-z_][A-Za-z0-9_]* )
  | (?P<NUMBER>  (?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? )
  | (?P<MARK>    [=!?<>]= | [=<>{{}}(),;+\-*%] | /(?!\*) )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Longer numbers are damage, and int() refuses thousands of digits with an error of its own.
_LONGEST_NUMBER = 40
_LONGEST_QUOTE = 60


class Kind(StrEnum):
    """What a token is, as the text alone tells."""

    KEYWORD = "keyword"
    WORD = "word"
    STRING = "string"
    NUMBER = "number"
    MARK = "mark"
    END = "end of file"


class Token(NamedTuple):
    """One word of the file; a STRING keeps its quotes, so that no string equals a word."""

    kind: Kind
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        if self.kind is Kind.END:
            return "the end of the file"
        is_long = len(self.text) > _LONGEST_QUOTE
        return f"'{self.text[:_LONGEST_QUOTE]}…'" if is_long else f"'{self.text}'"


def tokenise(text: str) -> list[Token]:
    """Cut a rule file into tokens; the last one is END.

    Parameters
    ----------
    text
        The whole file. Lines may end in LF, CRLF or CR.

    Raises
    ------
    OcaSyntaxError
        At the first character that begins no token.

    Examples
    --------
    >>> [token.text for token in tokenise("inputFile.MJD-OBS-MJD-OBS<0.5 // close")]
    ['inputFile.MJD-OBS', '-', 'MJD-OBS', '<', '0.5', '']
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    tokens: list[Token] = []
    line, line_start, position = 1, 0, 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind == "LINES":
            line += text.count("\n", match.start(), position)
            line_start = text.rfind("\n", 0, position) + 1
        elif kind is not None and kind != "BLANK":
            column = match.start() - line_start + 1
            tokens.append(Token(Kind[kind], match.group(), line, column))
    column = position - line_start + 1
    if position < len(text):
        _fail_at(text, position, line, column)
    tokens.append(Token(Kind.END, "", line, column))
    return tokens


def _fail_at(text: str, position: int, line: int, column: int) -> NoReturn:
    """Say what is wrong with the character that begins no token."""
    if text.startswith("/*", position):
        raise OcaSyntaxError(line, column, "'*/' somewhere after this '/*'")
    expected, found = {
        '"': ("a closing quote on the same line", ""),
        "#": ("OCA text without preprocessor lines", "'#'"),
    }.get(text[position], ("a word, a string, a number or a sign", ascii(text[position])))
    raise OcaSyntaxError(line, column, expected, found)


def unquote(text: str) -> str:
    r"""Return the value of a STRING token.

    An escape that C does not share with us stays as written, so that a regular expression may be
    given as ``"\d+"`` or as ``"\\d+"``.

    Examples
    --------
    >>> unquote('"slit#5.0 \\"wide\\" // no comment"')
    'slit#5.0 "wide" // no comment'
    """
    if "\\" not in text:
        return text[1:-1]
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), text[1:-1])


def number(token: Token) -> int | float:
    """Return the value of a NUMBER token: an integer unless it has a point or an exponent."""
    value = math.inf
    if len(token.text) <= _LONGEST_NUMBER:
        value = int(token.text) if token.text.isdigit() else float(token.text)
    if math.isinf(value):
        expected = f"a finite number of at most {_LONGEST_NUMBER} characters"
        raise OcaSyntaxError(token.line, token.column, expected)
    return value


class Cursor:
    """A place in the list of tokens, with the steps every parser takes from there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self.token = tokens[0]

    @property
    def line(self) -> int:
        """The line of the token that is next."""
        return self.token.line

    def advance(self) -> Token:
        """Step over one token and return it; never past END."""
        token = self.token
        if token.kind is not Kind.END:
            self._position += 1
            self.token = self._tokens[self._position]
        return token

    def take(self, text: str) -> bool:
        """Step over `text` if it is next, and say whether it was."""
        found = self.token.text == text
        if found:
            self.advance()
        return found

    def expect(self, text: str) -> Token:
        """Step over `text` or fail."""
        if self.token.text != text:
            self.fail(f"'{text}'")
        return self.advance()

    def fail(self, expected: str) -> NoReturn:
        """Raise the error that `expected` does not stand here."""
        raise OcaSyntaxError(self.token.line, self.token.column, expected, str(self.token))

    def keyword(self) -> str:
        """Take a header keyword of the file itself, as stands left of an assignment."""
        text = self.token.text
        if self.token.kind is not Kind.KEYWORD or text.startswith(REFERENCE_PREFIX):
            self.fail("a header keyword")
        if text in {"T", "F"}:
            self.fail("a header keyword (T and F are logical values)")
        return self.advance().text

    def name(self, what: str) -> str:
        """Take the name of an action, recipe or label, letters of both cases allowed."""
        first = self.token
        if first.kind not in {Kind.KEYWORD, Kind.WORD} or not _PLAIN_NAME.fullmatch(first.text):
            self.fail(what)
        self.advance()
        if first.kind is Kind.KEYWORD and self._touches(first, Kind.WORD):
            return first.text + self.advance().text
        return first.text

    def string(self, what: str) -> str:
        """Take a string and return its value."""
        if self.token.kind is not Kind.STRING:
            self.fail(what)
        return unquote(self.advance().text)

    def integer(self, what: str) -> int:
        """Take a whole number."""
        if self.token.kind is not Kind.NUMBER or not self.token.text.isdigit():
            self.fail(what)
        return int(number(self.advance()))

    def _touches(self, before: Token, kind: Kind) -> bool:
        """Tell whether the next token is a `kind` glued to the one just taken."""
        token = self.token
        end = before.column + len(before.text)
        return (token.kind, token.line, token.column) == (kind, before.line, end)
