"""Rules that run and never match: keywords that look misspelt, conditions that cannot hold."""

from collections import Counter
from collections.abc import Iterator

from .errors import OcaWarning
from .never import never_matching
from .tree import Keyword, RuleFile, walk

# Of short names any two are alike.
_SHORTEST = 6


def lint(rules: RuleFile) -> list[OcaWarning]:
    r"""Return what the author of a rule file should look at again, by line.

    Besides the warnings of `parse`: a keyword used once that is a well-used one with two letters
    exchanged, one lacking, too many or wrong, or with a part of its name lacking or too many, and selects that can never match.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('if MJD-OBS>5 and MJD-OBS<9 then { A=1; }\n if MDJ-OBS<7 then { A=2; }')
    >>> print(*lint(rules))
    2: MDJ-OBS is used once; is MJD-OBS meant?
    """
    uses = list(_uses(rules))
    counts = Counter(name for name, _ in uses)
    known: dict[str, set[str]] = {}
    for name in (name for name, count in counts.items() if count > 1):
        for shape in _shapes(name):
            known.setdefault(shape, set()).add(name)
    found = [
        OcaWarning(line, f"{name} is used once; is {other} meant?")
        for name, line in uses
        if counts[name] == 1
        for other in sorted(set().union(*(known.get(shape, ()) for shape in _shapes(name))))
        if _resembles(name, other)
    ]
    return sorted(
        [*rules.warnings, *found, *never_matching(rules)], key=lambda warning: warning.line
    )


def _uses(rules: RuleFile) -> Iterator[tuple[str, int]]:
    """Yield every use of a keyword: read, grouped by, or assigned, with its line."""
    for node in walk(rules):
        if isinstance(node, Keyword):
            yield node.name, node.line
    for select in rules.selects:
        for name in select.group_by:
            yield name, select.line
    for rule in rules.classification:
        for assignment in rule.assignments:
            yield assignment.keyword, assignment.line


def _shapes(name: str) -> set[str]:
    """Return texts one of which names that resemble each other share: few are to be compared."""
    lacking = {name[:place] + name[place + 1 :] for place in range(len(name))}
    parts = name.split(".")
    return {name, *lacking, *(".".join(parts[n:]) for n in range(1, len(parts) - 1))}


def _resembles(name: str, other: str) -> bool:
    return (
        _is_swapped(name, other)
        or _lacks_a_part(name, other)
        or _lacks_a_part(other, name)
        or _lacks_a_letter(name, other)
        or _lacks_a_letter(other, name)
        or _has_a_wrong_letter(name, other)
    )


def _is_swapped(name: str, other: str) -> bool:
    """Tell names that differ by two neighbouring letters exchanged."""
    if len(name) != len(other):
        return False
    unlike = [place for place in range(len(name)) if name[place] != other[place]]
    if len(unlike) != 2 or unlike[1] != unlike[0] + 1:
        return False
    first, second = unlike
    return (name[first], name[second]) == (other[second], other[first])


def _lacks_a_letter(name: str, other: str) -> bool:
    """Tell ``INSTRUM`` from ``INSTRUME``; a digit more or less is another keyword."""
    if len(other) != len(name) + 1 or len(name) < _SHORTEST:
        return False
    place = next((n for n in range(len(name)) if name[n] != other[n]), len(name))
    # At the beginning of a part it is another word: DET.DIT and DET.NDIT.
    is_within = other[place].isalpha() and other[place - 1].isalpha()
    return is_within and name[place:] == other[place + 1 :]


def _has_a_wrong_letter(name: str, other: str) -> bool:
    """Tell ``DPR.TIPE`` from ``DPR.TYPE``; at the end of a part it says which: BINX and BINY."""
    if len(name) != len(other) or len(name) < _SHORTEST:
        return False
    unlike = [place for place in range(len(name)) if name[place] != other[place]]
    if len(unlike) != 1:
        return False
    place = unlike[0]
    is_last = place + 1 == len(name) or not name[place + 1].isalpha()
    return name[place].isalpha() and other[place].isalpha() and not is_last


def _lacks_a_part(name: str, other: str) -> bool:
    """Tell ``WIN1.BINX`` from ``DET.WIN1.BINX``; one part alone is too little to tell by."""
    return "." in name and other.endswith(f".{name}")
