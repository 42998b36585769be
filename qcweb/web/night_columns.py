"""The columns of the AB monitor: what stands in each, and which ones a reader wants to see.

The cells are written here and not in a template, because a night may have a thousand blocks: a
template takes seconds for as many rows, this takes hundredths.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from qcweb.board import BoardRow
from qcweb.looks import Look

NOTHING = '<span class="faint">–</span>'


def glyph(name: str) -> str:
    return f'<svg class="g" aria-hidden="true"><use href="#g-{name}"/></svg>' if name else ""


def state(look: Look | None) -> str:
    """Draw a state as `{% state %}` does: colour, shape and word."""
    if look is None:
        return NOTHING
    hidden = '<span class="sr">OK </span>' if look.word[:2] == "0/" else ""
    title = f' title="{escape(look.title)}"' if look.title else ""
    return (
        f'<span class="st st-{look.css}"{title}>{glyph(look.glyph)}{hidden}'
        f"{escape(look.word)}</span>"
    )


@dataclass(frozen=True)
class Links:
    """Where the parts of a block's page are; to its exported file, in an export."""

    page: str
    inputs: str
    log: str
    scores: str


def links_here(row: BoardRow) -> Links:
    page = reverse("block", args=[row.block.ab_name])
    return Links(page, f"{page}#inputs", f"{page}#log", f"{page}#scores")


def _link(href: str, words: str, more: str = "") -> str:
    return f'<a href="{escape(href)}"{more}>{words}</a>'


def _index(row: BoardRow, to: Links) -> str:
    return _link(to.page, escape(row.index), " data-open")


def _name(row: BoardRow, to: Links) -> str:
    head, time, tag = map(escape, row.short_name)
    return _link(to.page, f'<i class="long">{head}</i>{time}<i>{tag}</i>')


def _setup(row: BoardRow, to: Links) -> str:
    return f"<b>{escape(row.block.setup or '–')}</b>"


def _compl(row: BoardRow, to: Links) -> str:
    if row.kind == "incomplete":
        return state(row.completeness)
    return '<span class="quiet">compl.</span>'


def _ab_log(row: BoardRow, to: Links) -> str:
    return _link(to.inputs, "incompl." if row.kind == "incomplete" else "OK")


def _plog(row: BoardRow, to: Links) -> str:
    return _link(to.log, "PLOG") if row.block.attempt else NOTHING


def _qc(row: BoardRow, to: Links) -> str:
    return _link(to.scores, "QC1") if row.score else NOTHING


def _score(row: BoardRow, to: Links) -> str:
    return _link(to.scores, state(row.score)) if row.score else NOTHING


def _certif(row: BoardRow, to: Links) -> str:
    said = state(row.certification) if row.certification.glyph else NOTHING
    if not row.comment:
        return said
    short = Truncator(row.comment).chars(140)
    return f'{said} <span class="cmt" title="{escape(row.comment)}">{escape(short)}</span>'


@dataclass(frozen=True)
class Column:
    """One column: its key in addresses, its head with a tooltip, its cells, what sorts it."""

    key: str
    word: str
    title: str
    css: str
    axis: str
    cell: Callable[[BoardRow, Links], str]
    sort: Callable[[BoardRow], object] | None = None
    is_number: bool = False

    @property
    def is_sortable(self) -> bool:
        return self.sort is not None

    @property
    def head_css(self) -> str:
        return f"{self.css} num" if self.is_number else self.css


COLUMNS = (
    Column("index", "Index", "Place in the calibration cascade", "c-index", "Block",
           _index, lambda row: int(row.index[3:])),
    Column("ab_name", "AB name", "Name of the first raw file and the group tag", "name c-name",
           "Block", _name, lambda row: row.block.ab_name),
    Column("raw_type", "Raw type", "Data type given by the classification rules", "c-type", "Block",
           lambda row, to: escape(row.block.raw_type), lambda row: row.block.raw_type),
    Column("setup", "Setup", "Instrument and detector keys that must match", "setup c-setup",
           "Block", _setup, lambda row: row.block.setup),
    Column("recipe", "Recipe", "Pipeline recipe that processes the block", "c-recipe quiet",
           "Block", lambda row, to: escape(row.block.recipe or "none"),
           lambda row: row.block.recipe),
    Column("compl", "Compl.", "Are all raw files and calibrations there?", "c-compl",
           "Completeness", _compl, lambda row: row.block.completeness),
    Column("ab_log", "AB log", "Association log: which calibrations, how far in time", "c-alog",
           "Completeness", _ab_log),
    Column("bqs", "BQS", "Batch queue state: what the queue has to do with the block",
           "c-bqs quiet", "Process", lambda row, to: escape(row.queue), lambda row: row.queue),
    Column("status", "AB status", "How the recipe ended", "c-status", "Process",
           lambda row, to: state(row.process), lambda row: row.process.word),
    Column("plog", "PLOG", "Processing log of the recipe", "c-plog", "Process", _plog),
    Column("time", "T_EXEC", "Seconds the recipe took + those of reading and scoring its QC1 values",
           "c-tx num", "Process", lambda row, to: row.t_exec or NOTHING,
           lambda row: row.duration_s or 0.0, is_number=True),
    Column("qc", "QC report", "QC1 parameters with values, limits and trends", "c-qc", "Quality",
           _qc),
    Column("score", "Score", "n/N: parameters outside their limits / parameters scored", "c-score",
           "Quality", _score, lambda row: (row.n_nok, row.n_scored)),
    Column("certif", "Certif", "Decision and comment", "c-cert", "Certification", _certif,
           lambda row: row.certification.word),
)  # fmt: skip
KEYS = tuple(column.key for column in COLUMNS)
SORTS = {column.key: column.sort for column in COLUMNS if column.sort}


@dataclass(frozen=True)
class Head:
    """A column's head as the page draws it; the first of its axis has a line before it."""

    column: Column
    is_start: bool


def heads(columns: Iterable[Column]) -> tuple[list[tuple[str, int]], list[Head]]:
    """Return the axes with how many columns each has, and the heads below them."""
    chosen = list(columns)
    axes = [(axis, len(list(own))) for axis, own in groupby(chosen, lambda one: one.axis)]
    befores = ["", *(one.axis for one in chosen)]
    return axes, [
        Head(one, bool(before) and one.axis != before)
        for before, one in zip(befores, chosen, strict=False)
    ]


def write_rows(
    rows: Iterable[BoardRow],
    columns: Iterable[Column],
    links: Callable[[BoardRow], Links] = links_here,
    *,
    words: Iterable[str] = (),
    is_still: bool = False,
) -> SafeString:
    """Write the body of the table; rows without all the words are there, and hidden.

    A table that is still has nothing to press.
    """
    _, chosen = heads(columns)
    wanted = list(words)
    parts = [_row(row, chosen, links(row), wanted, is_still=is_still) for row in rows]
    return SafeString("".join(parts))  # every cell escapes what it shows


def fits(row: BoardRow, words: Iterable[str]) -> bool:
    text = row.search_text
    return all(word in text for word in words)


def _row(row: BoardRow, chosen: list[Head], to: Links, words: list[str], *, is_still: bool) -> str:
    cause = ""
    if row.n_waiting:
        cause = _cause(row, len(chosen), "" if is_still else _fold(row), is_hidden=bool(words))
    marks = " data-todo" if row.needs_person else ""
    marks += f' data-folds="{escape(row.culprit)}"' if row.culprit else ""
    marks += "" if fits(row, words) else " hidden"
    cells = "".join(_cell(row, head, to) for head in chosen)
    return (
        f'{cause}<tr data-row id="row-{row.block.pk}" data-text="{escape(row.search_text)}"'
        f'{marks} class="{_css(row)}">{cells}</tr>'
    )


def _cell(row: BoardRow, head: Head, to: Links) -> str:
    column = head.column
    css = f"{column.css} axis-start" if head.is_start else column.css
    if column.key == "compl" and row.kind == "incomplete":
        css += " is-odd"
    if column.key == "index":
        return f'<th scope="row" class="{css}">{column.cell(row, to)}</th>'
    return f'<td class="{css}">{column.cell(row, to)}</td>'


def _css(row: BoardRow) -> str:
    words = [
        "is-nok" if row.kind == "red" else "",
        "is-failed" if row.kind == "failed" else "",
        "child" if row.culprit else "",
        "is-rejected" if row.block.is_withdrawn else "",
    ]
    return " ".join(word for word in words if word)


def _cause(row: BoardRow, width: int, fold: str, *, is_hidden: bool) -> str:
    """Write the line above a failed block that others wait for: what broke, and for whom."""
    reason = escape(Truncator(row.block.reason).chars(160))
    waits = "block waits" if row.n_waiting == 1 else "blocks wait"
    hidden = " hidden" if is_hidden else ""
    return (
        f'<tr class="cause" id="cause-{row.block.pk}"{hidden}><td colspan="{width}">'
        f'<div class="cause-line"><span class="st st-failed">{glyph("failed")}{row.index} failed'
        f"</span><span>{reason}</span>"
        f'<span class="quiet"><b>{row.n_waiting}</b> {waits} for it</span>{fold}</div></td></tr>'
    )


def _fold(row: BoardRow) -> str:
    return (
        f'<button class="btn btn-plain" type="button" data-fold="{row.index}" aria-expanded="true">'
        "<span data-fold-word>Hide</span> the blocked</button>"
    )
