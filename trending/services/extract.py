"""Reads the QC1 parameters of a block's products into the tables that want them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings

from pipelines.fits import Value, all_keywords, read_headers
from pipelines.models import Attempt, Product
from trending.models import Origin, QC1Parameter, QC1Row, QC1Table

from .batch import NewRow
from .clock import take_tables
from .corrections import carry_over
from .rows import Source, Stored, store_rows, supersede

Keywords = Mapping[str, Value]


def extract(attempt: Attempt, at: dt.datetime) -> Stored:
    """Store the rows of a successful run: one a product and detector of each table's definition."""
    block = attempt.block
    source = Source(
        origin=Origin.PIPELINE, is_simulated=block.instrument.is_simulated, attempt=attempt
    )
    products = list(attempt.products.order_by("name"))
    tables = [
        table
        for table in QC1Table.objects.filter(instrument=block.instrument).order_by("pk")
        if block.raw_type in table.raw_types
    ]
    # A block that runs for the first time has no rows of before.
    earlier = _of_earlier_runs(attempt) if block.attempt > 1 else {}
    # All at once, and one time for all of them: the scores are of that time too.
    total = Stored(take_tables({*(table.pk for table in tables), *earlier.values()}, at))
    for table in tables:
        table.instrument = block.instrument
        rows = list(_rows(table, products, attempt))
        done = store_rows(table, rows, source, total.at, is_taken=True)
        total.new += done.new
        total.replaced += done.replaced
    supersede([pk for pk in earlier if pk not in total.changed], total.at)
    if earlier:
        carry_over(attempt, total.changed, total.at)
    return total


def _of_earlier_runs(attempt: Attempt) -> dict[int, int]:
    """Return the rows of the block's runs that stand, with their tables."""
    rows = QC1Row.objects.current().filter(attempt__block=attempt.block_id)
    return dict(rows.values_list("pk", "table_id"))


def _rows(table: QC1Table, products: list[Product], attempt: Attempt) -> Iterator[NewRow]:
    for definition in table.products:
        # Of several products of one category only the first by name counts, as at ESO.
        product = next((one for one in products if one.pro_catg == definition["pro_catg"]), None)
        if product is None:
            continue
        for detector, keywords in _parts(definition, settings.HCM_DATA_DIR / product.path):
            yield NewRow(
                detector=detector[:32],
                mjd_obs=attempt.block.mjd_obs,
                pro_catg=product.pro_catg,
                values={one.name: _first(one, keywords) for one in table.active_parameters},
                product_name=product.name,
                pipeline_version=attempt.pipeline_version,
                product=product,
            )


def _parts(definition: Mapping[str, str], path: Path) -> Iterator[tuple[str, Keywords]]:
    """Yield detector and keywords of each part of a product that makes a row.

    A part's keywords stand in its own header; what is common to all, in the primary one.
    """
    headers = [
        {key: value for key, value, _ in all_keywords(header)} for header in read_headers(path)
    ]
    if definition["extensions"] == "primary":
        yield definition["detector"], headers[0]
        return
    for header in headers[1:]:
        if any(key.startswith("QC.") for key in header):
            name = definition["detector"] or str(header.get("EXTNAME", ""))
            yield name, {**headers[0], **header}


def _first(parameter: QC1Parameter, keywords: Keywords) -> Value | None:
    return next((keywords[key] for key in parameter.keywords if key in keywords), None)
