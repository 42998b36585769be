"""A tree as text again, laid out as one would write it: ``parse(print_rules(tree)) == tree``."""

from collections.abc import Callable
from typing import Any, TypeAlias

from .tokens import REFERENCE_PREFIX
from .tree import (
    Action,
    And,
    Arithmetic,
    Assignment,
    Between,
    ClassRule,
    Compare,
    Expression,
    FileSelect,
    Is,
    Keyword,
    Like,
    Literal,
    Not,
    Or,
    ProductRule,
    RecipeRule,
    Regexp,
    RuleFile,
    Select,
    Signed,
    Value,
)

# How tightly each kind of expression binds; one that binds looser than its place is put in
# parentheses. A relation may not stand beside another, a chain not inside its own kind.
_OR, _AND, _NOT, _RELATION, _SUM, _TERM, _SIGN, _PRIMARY = range(8)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"})


def print_rules(rules: RuleFile) -> str:
    """Write a rule file; comments of the original are gone, its meaning is not.

    Examples
    --------
    >>> from .parser import parse
    >>> print(print_rules(parse('if A==1 and (B or C) then D="x";')), end="")
    if A == 1 and (B or C) then
    {
        D = "x";
    }
    """
    parts = [
        *map(_class_rule, rules.classification),
        *map(_select, rules.selects),
        *map(_action, rules.action_rules),
    ]
    return "\n".join(parts)


def print_expression(expression: Expression) -> str:
    """Write one condition or value.

    Examples
    --------
    >>> print_expression(Compare("<", Keyword("MJD-OBS", of_reference=True), Literal(57023.0)))
    'inputFile.MJD-OBS < 57023.0'
    """
    return _print(expression, _OR)


def quote(text: str) -> str:
    """Write a text so that it is read back as it is."""
    return f'"{text.translate(_ESCAPES)}"'


def _print(expression: Expression, place: int) -> str:
    """Write an expression for a place that takes nothing looser than `place`."""
    tightness, write = _WRITERS[type(expression)]
    if isinstance(expression, Arithmetic):
        tightness = _TERM if expression.operator in "*/%" else _SUM
    text = write(expression)
    return text if tightness >= place else f"({text})"


def _literal(node: Literal) -> str:
    return _value(node.value)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return quote(value) if isinstance(value, str) else repr(value)


def _keyword(node: Keyword) -> str:
    return f"{REFERENCE_PREFIX}{node.name}" if node.of_reference else node.name


def _signed(node: Signed) -> str:
    return f"{node.operator}{_print(node.operand, _SIGN)}"


def _arithmetic(node: Arithmetic) -> str:
    place = _TERM if node.operator in "*/%" else _SUM
    # The right side must bind tighter: a - (b - c) is not a - b - c.
    return f"{_print(node.left, place)} {node.operator} {_print(node.right, place + 1)}"


def _compare(node: Compare) -> str:
    return f"{_print(node.left, _SUM)} {node.operator} {_print(node.right, _SUM)}"


def _like(node: Like) -> str:
    return f"{_print(node.operand, _SUM)} like {_print(node.pattern, _SUM)}"


def _regexp(node: Regexp) -> str:
    return f"{_print(node.operand, _SUM)} regexp {quote(node.pattern)}"


def _is(node: Is) -> str:
    return f"{_print(node.operand, _SUM)} is {node.state}"


def _between(node: Between) -> str:
    word = "tryBetween" if node.is_preference else "between"
    low, high = _print(node.low, _SUM), _print(node.high, _SUM)
    return f"{_print(node.operand, _SUM)} {word} {low} and {high}"


def _not(node: Not) -> str:
    return f"not {_print(node.operand, _NOT)}"


def _and(node: And) -> str:
    return " and ".join(_print(operand, _NOT) for operand in node.operands)


def _or(node: Or) -> str:
    return " or ".join(_print(operand, _AND) for operand in node.operands)


_Writer: TypeAlias = Callable[[Any], str]
_WRITERS: dict[type, tuple[int, _Writer]] = {
    Literal: (_PRIMARY, _literal),
    Keyword: (_PRIMARY, _keyword),
    Signed: (_SIGN, _signed),
    Arithmetic: (_SUM, _arithmetic),
    Compare: (_RELATION, _compare),
    Like: (_RELATION, _like),
    Regexp: (_RELATION, _regexp),
    Is: (_RELATION, _is),
    Between: (_RELATION, _between),
    Not: (_NOT, _not),
    And: (_AND, _and),
    Or: (_OR, _or),
}


def _class_rule(rule: ClassRule) -> str:
    return f"if {print_expression(rule.condition)} then\n{{\n{_assignments(rule.assignments)}}}\n"


def _assignments(assignments: tuple[Assignment, ...], indent: str = "    ") -> str:
    lines = (f"{indent}{a.keyword} = {print_expression(a.value)};\n" for a in assignments)
    return "".join(lines)


def _source(rule: Select | FileSelect, indent: str) -> str:
    text = f"from {rule.pool}"
    if rule.condition is None:
        return text
    return f"{text}\n{indent}where {print_expression(rule.condition)}"


def _card(rule: Select | FileSelect, indent: str) -> str:
    bounds = (("minRet", rule.min_ret), ("maxRet", rule.max_ret))
    words = [f"{name} = {count};" for name, count in bounds if count is not None]
    return f"{indent}{' '.join(words)}\n" if words else ""


def _select(rule: Select) -> str:
    text = f"{_card(rule, '')}select execute({rule.action}) {_source(rule, '    ')}"
    if rule.group_by:
        text += f"\n    group by {', '.join(rule.group_by)}"
    if rule.alias:
        text += f" as ({', '.join(rule.alias)})"
    return f"{text};\n"


def _action(rule: Action) -> str:
    priority = [] if rule.priority is None else [f"    priority = {rule.priority};\n"]
    parts = [
        *priority,
        *map(_file_select, rule.files),
        *map(_recipe, rule.recipes),
        *map(_product, rule.products),
    ]
    return f"action {rule.name}\n{{\n{''.join(parts)}}}\n"


def _file_select(rule: FileSelect) -> str:
    source = _source(rule, "        ")
    return f"{_card(rule, '    ')}    select file as {rule.label} {source};\n"


def _recipe(rule: RecipeRule) -> str:
    if not rule.parameters:
        return f"    recipe {rule.name};\n"
    lines = "".join(f"        {quote(parameter)};\n" for parameter in rule.parameters)
    return f"    recipe {rule.name}\n    {{\n{lines}    }}\n"


def _product(rule: ProductRule) -> str:
    body = _assignments(rule.assignments, "        ")
    return f"    product {rule.label}\n    {{\n{body}    }}\n"
