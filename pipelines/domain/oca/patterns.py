"""Regular expressions of rules: which of them a text could keep busy for ever."""

import re

_PART = re.compile(
    r"""
    (?P<ESCAPE>  \\. )
  | (?P<CLASS>   \[\^?\]?(?:\\.|[^\]\\])*\] )
  | (?P<REPEAT>  (?:[*+]|\{[0-9]*,?[0-9]*\})[?+]? )
  | (?P<OPTION>  \?[?+]? )
  | (?P<OPEN>    \((?:\?(?:P<\w+>|P=|[:=!>]|<[=!]|[aiLmsux-]+:?))? )
  | (?P<CLOSE>   \) )
  | (?P<BRANCH>  \| )
  | (?P<OTHER>   . )
    """,
    re.VERBOSE | re.DOTALL,
)
# Each repeat in a row multiplies the ways to try by the length of the text, each option by two.
_MOST_REPEATS = 4
_MOST_OPTIONS = 8


def may_hang(pattern: str) -> bool:
    r"""Tell a regular expression for which some text takes more time than there is.

    Conservative: a repeat of anything that itself can match in several ways is one.

    Examples
    --------
    >>> may_hang("(a+)+$"), may_hang("(a|aa)*b"), may_hang(r"^X_[wn]fm_(cal|sky)\.[0-9]+$")
    (True, True, False)
    """
    inside = [False]
    has_choice = False
    n_repeats = n_options = 0
    for part in _PART.finditer(pattern):
        kind = part.lastgroup
        if kind == "REPEAT":
            n_repeats += 1
            if has_choice:
                return True
        n_options += kind == "OPTION"
        inside[-1] |= kind in {"REPEAT", "OPTION", "BRANCH"}
        has_choice = False
        if kind == "OPEN":
            inside.append(False)
        elif kind == "CLOSE" and len(inside) > 1:
            has_choice = inside.pop()
            inside[-1] |= has_choice
    return n_repeats > _MOST_REPEATS or n_options > _MOST_OPTIONS
