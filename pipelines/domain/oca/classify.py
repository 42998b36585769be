"""Classification: what kind of frame a header describes."""

from dataclasses import dataclass

from .compiled import compiled_classification
from .settings import DEFAULT_SETTINGS, OcaSettings
from .tree import Keywords, RuleFile, Value

# Reflex files begin by calling every file so, because its organiser stopped at a file without class.
_NO_CLASS = "UNDEFINED"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A value that a rule replaced; `new` None means that it became undefined."""

    line: int
    keyword: str
    old: Value
    new: Value | None


@dataclass(frozen=True, slots=True)
class Classification:
    """What the rules made of one header.

    Attributes
    ----------
    keywords
        The header with all assignments done; the header itself is not touched.
    assigned
        What the rules assigned, with the values that lasted.
    fired
        Lines of the rules that held, in order.
    overwritten
        Values that were replaced on the way, be they from the header or from an earlier rule.
    """

    keywords: dict[str, Value]
    assigned: dict[str, Value]
    fired: tuple[int, ...]
    overwritten: tuple[Overwrite, ...] = ()

    @property
    def raw_type(self) -> str | None:
        """The processing family, which several tags may share: RAW.TYPE, else the tag."""
        return _text(self.keywords.get("RAW.TYPE")) or self.tag

    @property
    def tag(self) -> str | None:
        """The name under which a recipe expects the file: REFLEX.CATG, else DO.CATG."""
        return _text(self.keywords.get("REFLEX.CATG")) or _text(self.keywords.get("DO.CATG"))

    @property
    def label(self) -> str:
        """The class as shown to people: DO.CATG, else the tag, else PRO.CATG."""
        keys = (self.keywords.get("DO.CATG"), self.tag, self.keywords.get("PRO.CATG"))
        return next((text for text in map(_text, keys) if text), "UNCLASSIFIED")

    @property
    def is_target(self) -> bool:
        """Whether a dataset starts from this file. "F" is a text, so truth will not do."""
        return self.keywords.get("REFLEX.TARGET") == "T"


def _text(value: Value | None) -> str | None:
    if not isinstance(value, str):
        return None
    text = value.rstrip(" ")
    return text if text and text != _NO_CLASS else None


def classify(
    rules: RuleFile, keywords: Keywords, settings: OcaSettings = DEFAULT_SETTINGS
) -> Classification:
    """Run every classification rule over one header, top to bottom.

    A rule that holds makes its assignments at once, so later rules see them, may overwrite them,
    and leave alone what they do not mention.

    Parameters
    ----------
    rules
        The rule file.
    keywords
        The header. Only the keywords named in ``rules.keywords`` are looked at.
    settings
        Choices OCA leaves open.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('if DPR.TYPE=="BIAS" and TPL.NEXP>3 then { RAW.TYPE="BIAS"; }')
    >>> classify(rules, {"DPR.TYPE": "BIAS", "TPL.NEXP": 5}).assigned
    {'RAW.TYPE': 'BIAS'}
    >>> classify(rules, {"DPR.TYPE": "BIAS"}).label
    'UNCLASSIFIED'
    """
    header = dict(keywords)
    assigned: dict[str, Value] = {}
    fired: list[int] = []
    overwritten: list[Overwrite] = []
    for rule in compiled_classification(rules, settings):
        if rule.test(header, header):
            fired.append(rule.line)
            for assignment in rule.assignments:
                new = assignment.value(header, header)
                old = header.get(assignment.keyword)
                if old is not None and old != new:
                    overwritten.append(Overwrite(rule.line, assignment.keyword, old, new))
                _assign(header, assignment.keyword, new)
                _assign(assigned, assignment.keyword, new)
    return Classification(header, assigned, tuple(fired), tuple(overwritten))


def _assign(keywords: dict[str, Value], keyword: str, value: Value | None) -> None:
    """Set a keyword; an undefined value undefines it."""
    if value is None:
        keywords.pop(keyword, None)
    else:
        keywords[keyword] = value
