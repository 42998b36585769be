"""A small camera with one QC1 table, loaded by the code that loads instrument folders."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import Instrument
from trending.domain.definitions import parse_reports, parse_rules, parse_tables
from trending.models import Origin, QC1Table
from trending.services.batch import NewRow, RawValue
from trending.services.definitions import load_definitions
from trending.services.rows import Source, store_rows

TABLES = """
[[tables]]
name = "cam_bias"
title = "Bias"
raw_types = ["BIAS"]
[[tables.products]]
pro_catg = "MASTER_BIAS"
extensions = "each"
[[tables.columns]]
name = "read_mode"
keyword = "DET.READ.MODE"
type = "text"
role = "filter"
description = "Read-out mode"
[[tables.columns]]
name = "exptime"
keyword = "EXPTIME"
type = "float"
role = "filter"
description = "Exposure time"
[[tables.columns]]
name = "level"
keyword = "QC.LEVEL"
type = "float"
description = "Level"
missing = [-1]
[[tables.columns]]
name = "ron"
keyword = "QC.RON"
type = "float"
description = "Read noise"
[[tables.columns]]
name = "lamp_on"
keyword = "INS.LAMP.ST"
type = "flag"
description = "Whether the lamp was on"
[[tables.columns]]
name = "note"
keyword = "QC.NOTE"
type = "text"
description = "A word"
"""
RULE = """
[[rules]]
table = "cam_bias"
parameter = "{parameter}"
limits = "{limits}"
reason = "specified"
{more}
"""


def rule(limits="VAL 90,110", parameter="level", more=""):
    return RULE.format(parameter=parameter, limits=limits, more=more)


@pytest.fixture
def camera(db):
    return Instrument.objects.create(
        name="CAM", title="Camera", header_names=["CAM"], runner="native", pipeline="hcm",
        digest="-", loaded_at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def load(camera):
    """Load definitions as a folder has them; what is not said stays away."""

    def write(rules="", reports="", tables=TABLES, at=None):
        parsed = parse_tables("qc1.toml", tables)
        by_name = {table.name: table for table in parsed}
        load_definitions(
            camera,
            parsed,
            parse_rules("scores.toml", rules, by_name),
            parse_reports("reports.toml", reports, by_name),
            at or timezone.now(),
        )

    return write


@pytest.fixture
def table(load):
    load()
    return QC1Table.objects.select_related("instrument").get()


def row(mjd=61101.5, detector="CHIP1", pro_catg="MASTER_BIAS", **values):
    given: dict[str, RawValue] = {"read_mode": "SLOW", "exptime": 0.0, "level": 100.0, "ron": 3.0}
    return NewRow(detector, mjd, pro_catg, given | {"lamp_on": False} | values)


@pytest.fixture
def store(table):
    """Store rows as an import does; returns what became of them."""

    def write(*rows, at=None, source=None):
        return store_rows(
            table, rows, source or Source(Origin.IMPORT, is_simulated=False), at or timezone.now()
        )

    return write


def hours(n):
    return timezone.now() + dt.timedelta(hours=n)
