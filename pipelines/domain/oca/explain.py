"""Why a rule did not do what was hoped: near misses, and values that cannot be compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .candidates import Candidate
from .conditions import compile_condition, compile_value
from .errors import OcaWarning
from .frames import Frame, Group, number_of, reference_keywords
from .needs import index_key
from .pools import Pool
from .printer import print_expression
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import Compare, Expression, FileSelect, Keyword, Keywords, RuleFile, conjuncts, walk
from .values import as_text, kind_of


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A file that a select might have taken.

    Attributes
    ----------
    candidate
        The file.
    failed
        The parts of the condition it does not fulfil, with the values they met.
    bare
        The same without the values, for those who may not see the headers.
    """

    candidate: Candidate
    failed: tuple[str, ...]
    bare: tuple[str, ...]


def near_misses(
    select: FileSelect,
    group: Group | Sequence[Frame],
    pool: Pool,
    settings: OcaSettings = DEFAULT_SETTINGS,
    limit: int = 3,
) -> list[NearMiss]:
    """Return the files of the right category that fail least, then the nearest in time.

    Examples
    --------
    >>> from .parser import parse
    >>> [select] = parse('action a { select file as B from calibFiles where PRO.CATG=="BIAS"'
    ...                  ' and inputFile.DET.BINX==DET.BINX; }').actions["a"].files
    >>> pool = Pool(calib=[Candidate("old", {"PRO.CATG": "BIAS", "DET.BINX": 1})])
    >>> near_misses(select, [Frame("flat", {"DET.BINX": 2})], pool)[0].failed
    ('inputFile.DET.BINX == DET.BINX (inputFile.DET.BINX is 2, DET.BINX is 1)',)
    """
    frames = group.frames if isinstance(group, Group) else group
    reference = reference_keywords(frames, settings)
    start = number_of(reference, "MJD-OBS")
    misses = []
    for candidate in pool.candidates(select.pool, index_key(select.condition)):
        failed = _failed(select.condition, candidate.keywords, reference, settings)
        if failed:
            bare = tuple(print_expression(part) for part in failed)
            words = (_values(part, candidate.keywords, reference) for part in failed)
            told = tuple(f"{one} ({met})" for one, met in zip(bare, words, strict=True))
            miss = NearMiss(candidate, told, bare)
            misses.append((len(failed), _distance(candidate.mjd, start), miss))
    return [miss for _, _, miss in sorted(misses, key=lambda each: each[:2])[:limit]]


def _distance(mjd: float | None, start: float | None) -> float:
    return math.inf if mjd is None or start is None else abs(mjd - start)


def _failed(
    condition: Expression | None, keywords: Keywords, reference: Keywords, settings: OcaSettings
) -> list[Expression]:
    return [
        part
        for part in conjuncts(condition)
        if not compile_condition(part, settings)(keywords, reference)
    ]


def _values(part: Expression, keywords: Keywords, reference: Keywords) -> str:
    words: dict[str, None] = {}
    for node in walk(part):
        if isinstance(node, Keyword):
            value = (reference if node.of_reference else keywords).get(node.name)
            text = "undefined" if value is None else as_text(value)
            words[f"{print_expression(node)} is {text}"] = None
    return ", ".join(words)


def type_clashes(
    rules: RuleFile, keywords: Keywords, settings: OcaSettings = DEFAULT_SETTINGS
) -> list[OcaWarning]:
    """Return the comparisons of classification that meet a text and a number in one header.

    Such a comparison is false without a word; one header of each kind tells which rules are bitten.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('if TPL.NEXP=="3" then { RAW.TYPE="BIAS"; }')
    >>> print(*type_clashes(rules, {"TPL.NEXP": 3}))
    1: TPL.NEXP == "3" compares a number with a text
    """
    found: dict[OcaWarning, None] = {}
    for node in walk(rules.classification):
        if isinstance(node, Compare):
            sides = (compile_value(side, settings) for side in (node.left, node.right))
            left, right = (side(keywords, keywords) for side in sides)
            if left is not None and right is not None and kind_of(left) != kind_of(right):
                kinds = f"a {kind_of(left)} with a {kind_of(right)}"
                found[OcaWarning(node.line, f"{print_expression(node)} compares {kinds}")] = None
    return list(found)
