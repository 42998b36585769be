"""What a reader asks of a night's table, all of it in the address: filter, sort, search, columns."""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import QueryDict

from qcweb.board import FILTERS, BoardRow
from qcweb.problems import Problem, ProblemError

from .night_columns import COLUMNS, KEYS, SORTS, Column

MOST_WORDS = 200


@dataclass(frozen=True)
class NightQuestion:
    """The part of a night's address after the question mark; the default asks for everything."""

    show: str = "all"
    sort: str = "index"
    search: str = ""
    chosen: tuple[str, ...] = KEYS

    @classmethod
    def read(cls, query: QueryDict) -> "NightQuestion":
        """Read an address.

        Raises
        ------
        ProblemError
            It names a filter or a column that is not known; says which are.
        """
        return cls(
            _known("filter", "show", query.get("show") or "all", FILTERS),
            _sort(query.get("sort") or "index"),
            query.get("q", "")[:MOST_WORDS],
            _columns(query.getlist("columns")),
        )

    @property
    def words(self) -> list[str]:
        return self.search.lower().split()

    @property
    def columns(self) -> list[Column]:
        """Return the columns to be shown, in the order of the four axes whatever was asked."""
        return [column for column in COLUMNS if column.key in self.chosen]

    @property
    def has_all_columns(self) -> bool:
        return len(self.chosen) == len(KEYS)

    @property
    def sort_word(self) -> str:
        name = self.sort.removeprefix("-")
        word = next(column.word for column in COLUMNS if column.key == name)
        return f"{word}, the last first" if self.sort.startswith("-") else word

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return COLUMNS

    @property
    def all_keys(self) -> tuple[str, ...]:
        return KEYS

    def sorted_by(self, key: str) -> "NightQuestion":
        """Return the question that sorts by a column; asked again, the other way round."""
        return replace(self, sort=f"-{key}" if self.sort == key else key)

    def address(self) -> str:
        """Return the address that asks this."""
        words = {"show": self.show}
        if self.sort != "index":
            words["sort"] = self.sort
        if self.search:
            words["q"] = self.search
        if not self.has_all_columns:
            words["columns"] = ",".join(self.chosen)
        return f"?{urlencode(words, safe=',')}"

    def choose(self, rows: list[BoardRow]) -> list[BoardRow]:
        """Filter and sort rows; anything but the cascade order takes the folds apart."""
        key = SORTS[self.sort.removeprefix("-")]
        shown = [row for row in rows if self.show in row.filters]
        return sorted(shown, key=key, reverse=self.sort.startswith("-"))  # type: ignore[arg-type]


def _known(what: str, where: str, word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise ProblemError(
            Problem(400, f"Unknown {what}", f"{where}={word!r} is no {what}.",
                    where=where, hint=f"Known are {', '.join(known)}.")
        )  # fmt: skip
    return word


def _sort(word: str) -> str:
    if word.removeprefix("-") not in SORTS:
        raise ProblemError(
            Problem(400, "Unknown column", f"sort={word!r}.", where="sort",
                    hint=f"Known are {', '.join(SORTS)}; - before it turns round.")
        )  # fmt: skip
    return word


def _columns(given: list[str]) -> tuple[str, ...]:
    """Return the columns asked for, and the index always: it is the row's name and its link."""
    words = {word for text in given for word in text.split(",") if word}
    if not words:
        return KEYS
    for word in sorted(words):
        _known("column", "columns", word, KEYS)
    return tuple(key for key in KEYS if key in words | {"index"})
