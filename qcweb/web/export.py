"""A night as files to keep: pages without scripts or forms, pictures, numbers; for any web server, or none."""

import datetime as dt
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.staticfiles import finders
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, resolve, reverse

from pipelines.models import Attempt, CalibrationLink, Preview, Product
from pipelines.services.nights import state_of
from qcweb import looks
from qcweb.board import Board, BoardRow
from qcweb.certification.models import Certification

from .night_columns import COLUMNS, Links, heads, write_rows
from .night_page import Night, board_of
from .previews import PreviewView, view_of
from .views.blocks import ScoreLine, score_lines
from .views.calendar import HOLE, STATES, days_of, month_of

STYLES = ("tokens.css", "base.css", "components.css")
ICONS = ("nok.svg", "none.svg", "ok.svg")
# Blocks of a night beyond this are a mistake, not a night.
MOST_BLOCKS = 5000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
# Names that some systems keep for themselves, whatever comes after the dot.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class ExportError(Exception):
    """What cannot be exported, or not to there."""


@dataclass
class Names:
    """File names made of names that are data: safe on every system, and each one once.

    A name may be anything: a path, two dots, a device, two that differ by case alone.
    """

    taken: set[str] = field(default_factory=set)

    def of(self, name: str, ending: str = "") -> str:
        """Return a file name that nothing else has.

        >>> Names().of("UVES.2015-02-27T10:46:39.756_tpl.ab", ".html")
        'UVES.2015-02-27T10_46_39.756_tpl.ab.html'
        >>> Names().of("../../etc/passwd"), Names().of("con.txt")
        ('etc_passwd', '_con.txt')
        """
        stem = _UNSAFE.sub("_", name).strip("._-")[:100] or "unnamed"
        stem = f"_{stem}" if _RESERVED.fullmatch(stem) else stem
        if f"{stem}{ending}".lower() in self.taken:
            stem = f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        while f"{stem}{ending}".lower() in self.taken:
            stem += "x"
        self.taken.add(f"{stem}{ending}".lower())
        return f"{stem}{ending}"


@dataclass(frozen=True)
class Picture:
    """A preview with its file in the export."""

    name: str
    view: PreviewView
    file: str


@dataclass(frozen=True)
class BlockPage:
    """What the page of one block tells."""

    row: BoardRow
    scores: list[ScoreLine]
    frames: list[Any]
    calibrations: list[CalibrationLink]
    attempts: list[Attempt]
    products: list[Product]
    pictures: list[Picture]
    history: list[tuple[Certification, looks.Look]]


@dataclass
class Export:
    """One night, written into a folder."""

    night: Night
    folder: Path
    source: str
    at: dt.datetime
    user: User | AnonymousUser
    names: Names = field(default_factory=Names)

    def write(self) -> int:
        """Write everything; return the number of blocks."""
        board = board_of(self.night, self.at)
        if len(board.rows) > MOST_BLOCKS:
            raise ExportError(f"The night has more than {MOST_BLOCKS} blocks.")
        for below in ("blocks", "pictures", "data", "look"):
            (self.folder / below).mkdir(parents=True, exist_ok=True)
        self._copy_looks()
        files = {row.block.pk: self.names.of(row.block.ab_name, ".html") for row in board.rows}
        self._write_night(board, files)
        self._write_calendar()
        for row in board.rows:
            self._write_block(row, Path(files[row.block.pk]).stem)
        self._data("night.json", "api:night", self.night.instrument.name, str(self.night.day))
        return len(board.rows)

    def _write_block(self, row: BoardRow, stem: str) -> None:
        numbers = f"data/{stem}.json"
        has_numbers = self._data(numbers, "api:block", row.block.ab_name)
        context = self._block(row) | {"numbers": numbers if has_numbers else ""}
        self._page(f"blocks/{stem}.html", "export/block.html", context)

    def _data(self, file: str, view: str, *words: str) -> bool:
        """Write what the API answers to whoever asks for the export, in the API's own words.

        False where the API has no address for it: a name with a slash.
        """
        try:
            path = reverse(view, args=words)
        except NoReverseMatch:
            return False
        asked = HttpRequest()
        asked.method, asked.path, asked.path_info, asked.user = (
            "GET",
            path,
            unquote(path),
            self.user,
        )
        asked.META = {"SERVER_NAME": "localhost", "SERVER_PORT": "80"}
        asked.token = None  # type: ignore[attr-defined]
        found = resolve(asked.path_info)
        answer = found.func(asked, *found.args, **found.kwargs)
        if answer.status_code != 200:
            return False
        text = json.dumps(json.loads(answer.render().content), indent=1, ensure_ascii=False)
        (self.folder / file).write_text(f"{text}\n", encoding="utf-8")
        return True

    def _write_night(self, board: Board, files: dict[int, str]) -> None:
        def links(row: BoardRow) -> Links:
            page = f"blocks/{files[row.block.pk]}"
            return Links(page, f"{page}#inputs", f"{page}#log", f"{page}#scores")

        axes, columns = heads(COLUMNS)
        self._page(
            "index.html",
            "export/night.html",
            {
                "board": board, "axes": axes, "columns": columns, "others": self.night.others,
                "body": write_rows(board.rows, COLUMNS, links, is_still=True),
                "state": state_of(self.night.instrument, self.night.day),
            },
        )  # fmt: skip

    def _write_calendar(self) -> None:
        """Write the year up to its end as it is now; the other nights are not here to be opened."""
        year = self.night.day.year
        days = days_of(self.night.instrument, dt.date(year, 1, 1), dt.date(year, 12, 31))
        counts = Counter(day.state for day in days.values())
        self._page(
            "calendar.html",
            "export/calendar.html",
            {
                "year": year, "months": [month_of(year, month, days) for month in range(1, 13)],
                "legend": [(look, counts[state]) for state, look in STATES.items()],
                "hole": HOLE, "n_holes": counts["hole"],
            },
        )  # fmt: skip

    def _page(self, path: str, template: str, context: dict[str, Any]) -> None:
        known = {
            "instrument": self.night.instrument, "night": self.night.day, "at": self.at,
            "source": self.source, "version": settings.VERSION,
            "up": "../" if "/" in path else "", "styles": STYLES,
        }  # fmt: skip
        text = render_to_string(template, known | context)
        (self.folder / path).write_text(text, encoding="utf-8")

    def _copy_looks(self) -> None:
        for kind, names in (("css", STYLES), ("icons", ICONS)):
            for name in names:
                found = finders.find(f"hcm/{kind}/{name}")
                if not isinstance(found, str):
                    raise ExportError(f"hcm/{kind}/{name} is not installed.")
                shutil.copyfile(found, self.folder / "look" / name)

    def _block(self, row: BoardRow) -> dict[str, Any]:
        block = row.block
        products = list(Product.objects.filter(attempt=block.current_attempt_id).order_by("name"))
        acts = Certification.objects.filter(block=block).select_related("decided_by")
        page = BlockPage(
            row,
            score_lines(block),
            list(block.block_frames.select_related("raw_file").order_by("raw_file__mjd_obs")),
            list(block.calibrations.select_related("producer", "file").order_by("pk")),
            list(block.attempts.order_by("number")),
            products,
            list(self._pictures(products)),
            [(one, looks.DECISIONS[one.decision]) for one in acts.order_by("-number")],
        )
        return {"page": page, "row": row, "ab": block}

    def _pictures(self, products: list[Product]) -> Iterable[Picture]:
        root = (Path(settings.HCM_DATA_DIR) / "previews").resolve()
        names = {product.pk: product.pro_catg for product in products}
        for preview in Preview.objects.filter(product__in=products).order_by("product_id", "hdu"):
            path = (Path(settings.HCM_DATA_DIR) / preview.files.get("image", "")).resolve()
            if path.is_file() and path.is_relative_to(root):
                catg = names[preview.product_id]
                file = self.names.of(f"{preview.product_id}-{preview.hdu}-{catg}", ".png")
                shutil.copyfile(path, self.folder / "pictures" / file)
                yield Picture(catg, view_of(preview), file)
