"""A rule file as text: its statements, and what about them is odd but runs."""

from dataclasses import dataclass

from .advice import advice
from .errors import OcaWarning
from .expressions import ExpressionParser
from .tokens import Cursor, Kind, tokenise
from .tree import (
    Action,
    Assignment,
    ClassRule,
    Expression,
    FileSelect,
    PoolName,
    ProductRule,
    RecipeRule,
    RuleFile,
    Select,
)


def parse(text: str) -> RuleFile:
    """Read a rule file of either dialect.

    Parameters
    ----------
    text
        The whole file.

    Returns
    -------
    RuleFile
        Its rules in order, and warnings for lines that run but look like slips.

    Raises
    ------
    OcaSyntaxError
        With line, column and what was expected. Nothing is guessed: a broken file is refused whole.

    Examples
    --------
    >>> rules = parse('if DPR.TYPE like "%DARK%" then { RAW.TYPE = "DARK"; }')
    >>> rules.classification[0].assignments[0].keyword
    'RAW.TYPE'
    """
    return _Parser(Cursor(tokenise(text))).rule_file()


def parse_condition(text: str) -> Expression:
    """Read one condition that stands alone, outside a rule file.

    Raises
    ------
    OcaSyntaxError
        With line, column and what was expected.

    Examples
    --------
    >>> parse_condition('PRO.CATG == "SKY_LINES"').operator
    '=='
    """
    cursor = Cursor(tokenise(text))
    condition = ExpressionParser(cursor).expression()
    if cursor.token.kind is not Kind.END:
        cursor.fail("the end of the condition")
    return condition


@dataclass(slots=True)
class _Card:
    """The minRet and maxRet waiting for the select they belong to."""

    min_ret: int | None = None
    max_ret: int | None = None
    line: int | None = None


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._expressions = ExpressionParser(cursor)
        self._warnings: list[OcaWarning] = []
        self._card = _Card()

    def rule_file(self) -> RuleFile:
        classification: list[ClassRule] = []
        selects: list[Select] = []
        actions: list[Action] = []
        while self._cursor.token.text:
            word = self._cursor.token.text
            if word == "if":
                self._drop_card()
                classification.append(self._class_rule())
            elif word == "select":
                selects.append(self._select())
            elif word == "action":
                self._drop_card()
                actions.append(self._action())
            elif not self._card_or_semicolon():
                self._cursor.fail("'if', 'select', 'action', 'minRet' or 'maxRet'")
        self._drop_card()
        rules = RuleFile(tuple(classification), tuple(selects), tuple(actions))
        warnings = sorted([*self._warnings, *advice(rules)], key=lambda warning: warning.line)
        return RuleFile(rules.classification, rules.selects, rules.action_rules, tuple(warnings))

    # --- classification

    def _class_rule(self) -> ClassRule:
        line = self._cursor.expect("if").line
        condition = self._expressions.expression()
        self._cursor.expect("then")
        if self._cursor.token.text == "{":
            return ClassRule(condition, self._block(), line)
        return ClassRule(condition, (self._assignment(),), line)

    def _block(self) -> tuple[Assignment, ...]:
        self._cursor.expect("{")
        assignments: list[Assignment] = []
        while not self._cursor.take("}"):
            if not self._cursor.take(";"):
                assignments.append(self._assignment())
        return tuple(assignments)

    def _assignment(self) -> Assignment:
        line = self._cursor.line
        keyword = self._cursor.keyword()
        self._cursor.expect("=")
        value = self._expressions.expression()
        self._cursor.expect(";")
        return Assignment(keyword, value, line)

    # --- organisation

    def _select(self) -> Select:
        line = self._cursor.expect("select").line
        self._cursor.expect("execute")
        self._cursor.expect("(")
        action = self._cursor.name("the name of an action")
        self._cursor.expect(")")
        pool = self._pool()
        condition = self._where()
        group_by = self._group_by()
        alias = self._alias()
        self._cursor.expect(";")
        card = self._take_card()
        return Select(action, pool, condition, group_by, alias, card.min_ret, card.max_ret, line)

    def _pool(self) -> PoolName:
        self._cursor.expect("from")
        if self._cursor.token.text not in set(PoolName):
            self._cursor.fail("'inputFiles', 'calibFiles' or 'rawFiles'")
        return PoolName(self._cursor.advance().text)

    def _where(self) -> Expression | None:
        return self._expressions.expression() if self._cursor.take("where") else None

    def _group_by(self) -> tuple[str, ...]:
        if not self._cursor.take("group"):
            return ()
        self._cursor.expect("by")
        keys = [self._cursor.keyword()]
        while self._cursor.take(","):
            keys.append(self._cursor.keyword())
        return tuple(keys)

    def _alias(self) -> tuple[str, ...]:
        if not self._cursor.take("as"):
            return ()
        self._cursor.expect("(")
        names = [self._cursor.name("the name of the event")]
        while self._cursor.take(","):
            names.append(self._cursor.name("a prefix for product names"))
        self._cursor.expect(")")
        return tuple(names)

    # --- association

    def _action(self) -> Action:
        line = self._cursor.expect("action").line
        name = self._cursor.name("the name of an action")
        self._cursor.expect("{")
        files: list[FileSelect] = []
        recipes: list[RecipeRule] = []
        products: list[ProductRule] = []
        priority = None
        while not self._cursor.take("}"):
            word = self._cursor.token.text
            if word == "select":
                files.append(self._file_select())
            elif word == "recipe":
                self._drop_card()
                recipes.append(self._recipe())
            elif word == "product":
                self._drop_card()
                products.append(self._product())
            elif word == "priority":
                priority = self._setting("a priority")
            elif not self._card_or_semicolon():
                self._cursor.fail("'select', 'recipe', 'product', 'minRet', 'maxRet' or '}'")
        self._drop_card()
        return Action(name, tuple(files), tuple(recipes), tuple(products), priority, line)

    def _file_select(self) -> FileSelect:
        line = self._cursor.expect("select").line
        self._cursor.expect("file")
        self._cursor.expect("as")
        label = self._cursor.name("a label for the file")
        pool = self._pool()
        condition = self._where()
        self._cursor.expect(";")
        card = self._take_card()
        return FileSelect(label, pool, condition, card.min_ret, card.max_ret, line)

    def _recipe(self) -> RecipeRule:
        line = self._cursor.expect("recipe").line
        name = self._cursor.name("the name of a recipe")
        if self._cursor.take(";"):
            return RecipeRule(name, (), line)
        if not self._cursor.take("{"):
            self._cursor.fail("';' or '{'")
        parameters: list[str] = []
        while not self._cursor.take("}"):
            parameters.append(self._cursor.string("a parameter in quotes or '}'"))
            self._cursor.expect(";")
        return RecipeRule(name, tuple(parameters), line)

    def _product(self) -> ProductRule:
        line = self._cursor.expect("product").line
        label = self._cursor.name("a label for the product")
        return ProductRule(label, self._block(), line)

    # --- minRet, maxRet

    def _card_or_semicolon(self) -> bool:
        """Take a lone ';' or a bound for the select to come; say whether one was there."""
        if self._cursor.take(";"):
            return True
        token = self._cursor.token
        if token.text not in {"minRet", "maxRet"}:
            return False
        count = self._setting(f"a count for {token.text}")
        card = self._card
        given_before = card.min_ret if token.text == "minRet" else card.max_ret
        if given_before is not None:
            self._warn(token.line, f"{token.text} is given twice; the later one counts")
        if token.text == "minRet":
            card.min_ret = count
        else:
            card.max_ret = count
        card.line = token.line
        return True

    def _setting(self, what: str) -> int:
        """Take ``word = 3;``, and forgive a missing ';' as the engines do."""
        word = self._cursor.advance()
        self._cursor.expect("=")
        count = self._cursor.integer(what)
        if not self._cursor.take(";"):
            self._warn(word.line, f"';' is missing after {word.text} = {count}")
        return count

    def _take_card(self) -> _Card:
        card, self._card = self._card, _Card()
        return card

    def _drop_card(self) -> None:
        """Forget bounds that no select follows: they belong to the next statement alone."""
        line = self._take_card().line
        if line is not None:
            self._warn(line, "minRet and maxRet stand before no select and are ignored")

    def _warn(self, line: int, message: str) -> None:
        self._warnings.append(OcaWarning(line, message))
