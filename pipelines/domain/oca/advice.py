"""What runs but looks like a slip, told from the tree alone: names that do not meet."""

from collections import Counter
from collections.abc import Iterator

from .errors import OcaWarning
from .tree import FileSelect, Keyword, RuleFile, Select, walk

# Words of the language; all real files write them in this case, so a variant is read as a name.
RESERVED = frozenset(
    {"if", "then", "select", "execute", "from", "where", "group", "by", "as", "action", "file"}
    | {"recipe", "product", "priority", "minRet", "maxRet", "and", "or", "not", "like", "regexp"}
    | {"is", "undefined", "string", "between", "tryBetween"}
    | {"inputFiles", "calibFiles", "rawFiles", "inputFile"}
)
_UPPER_RESERVED = {word.upper(): word for word in RESERVED}


def advice(rules: RuleFile) -> Iterator[OcaWarning]:
    """Yield a warning for every part of the file that cannot mean what it says."""
    yield from _undefined_actions(rules)
    yield from _repeated_actions(rules)
    for select in rules.selects:
        yield from _odd_select(select)
    for action in rules.action_rules:
        for select_file in action.files:
            yield from _odd_bounds(select_file)
    yield from _odd_keywords(rules)


def _undefined_actions(rules: RuleFile) -> Iterator[OcaWarning]:
    defined = {action.name for action in rules.action_rules}
    executed = {select.action for select in rules.selects}
    for select in rules.selects:
        if select.action not in defined:
            yield OcaWarning(select.line, f"no action is called {select.action}")
    for action in rules.action_rules:
        if action.name not in executed:
            yield OcaWarning(action.line, f"action {action.name} is never executed")


def _repeated_actions(rules: RuleFile) -> Iterator[OcaWarning]:
    seen: Counter[str] = Counter()
    for action in rules.action_rules:
        seen[action.name] += 1
        if seen[action.name] > 1:
            yield OcaWarning(action.line, f"action {action.name} is defined again; this one counts")


def _odd_select(select: Select) -> Iterator[OcaWarning]:
    if select.max_ret is not None:
        yield OcaWarning(select.line, "maxRet does not limit a group and is ignored")


def _odd_bounds(select: FileSelect) -> Iterator[OcaWarning]:
    if select.min_ret is None or not select.max_ret:
        return
    if select.min_ret > select.max_ret:
        text = (
            f"{select.label} can never be found: minRet {select.min_ret} > maxRet {select.max_ret}"
        )
        yield OcaWarning(select.line, text)


def _odd_keywords(rules: RuleFile) -> Iterator[OcaWarning]:
    outside: tuple[object, ...] = (rules.classification, rules.selects)
    for node in walk(outside):
        if isinstance(node, Keyword) and node.of_reference:
            text = f"inputFile.{node.name} has a meaning inside actions only; here it is the file"
            yield OcaWarning(node.line, f"{text} itself")
    for node in walk(rules):
        word = _UPPER_RESERVED.get(node.name) if isinstance(node, Keyword) else None
        if isinstance(node, Keyword) and word is not None:
            yield OcaWarning(node.line, f"{node.name} is read as a keyword; the word is '{word}'")
