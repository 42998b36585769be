"""A reader in front of the pages."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from django.db.models import Q
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.qcweb.web.html import parse
from trending.models import Origin, QC1Row, QC1Table, Score, ScoreRule, Series
from trending.services.batch import NewRow
from trending.services.rescore import rescore
from trending.services.rows import Source, store_rows


@pytest.fixture
def see(client, vera):
    """Open a page as a reader and return it as a tree."""
    client.force_login(vera)

    def opened(address, status=200):
        answer = client.get(address)
        assert answer.status_code == status, (address, answer.status_code)
        return parse(answer)

    return opened


@dataclass
class History:
    """A table with sixty days of one detector, and Quinn to act on it."""

    table: QC1Table
    client: Client

    def row(self, day: int) -> QC1Row:
        return self.table.rows.get(mjd_obs=FIRST_DAY + day, is_current=True)

    def score(self, parameter: str, day: int) -> Score:
        return Score.objects.get(
            series__parameter__name=parameter, row=self.row(day), is_current=True
        )

    def series(self, parameter: str) -> Series:
        return Series.objects.get(parameter__table=self.table, parameter__name=parameter)

    def rule(self, parameter: str) -> ScoreRule:
        """Return the rule in force for the series."""
        found: ScoreRule = ScoreRule.objects.open().get(
            Q(detector="") | Q(detector="CHIP1"), parameter__table=self.table,
            parameter__name=parameter, setup__in=[{}, {"read_mode": "FAST"}],
        )  # fmt: skip
        return found

    def address(self, parameter: str, day: int, what: str = "value") -> str:
        return reverse(what, args=[self.table.name, parameter, self.row(day).pk])

    def act(self, parameter: str, day: int, action: str, reason: str = "seen in the frame") -> Any:
        return self.client.post(
            self.address(parameter, day, "value-act"), {"action": action, "reason": reason}
        )

    def rescore(self) -> None:
        rescore(self.table.rows.filter(is_current=True), timezone.now())

    def reds(self, parameter: str) -> int:
        return Score.objects.filter(
            series__parameter__name=parameter, is_current=True, result=1
        ).count()


FIRST_DAY = 61000.5
JUMP = 45
ODD_DAYS = (20, 40)


def store_history(table: QC1Table, n: int = 60, first: int = 0) -> None:
    """Store a steady series with two outliers, and a step of `struct_y` at day 45."""
    random = np.random.default_rng(7 + first)
    rows = [
        NewRow(
            "CHIP1", FIRST_DAY + day, "MASTER_BIAS",
            {
                "read_mode": "FAST", "binning": "1x1",
                "bias_level": (1500.0 if day in ODD_DAYS else 1480.0) + random.normal(),
                "overscan_level": 1480.0 + random.normal(),
                "ron_raw": 5.0 + 0.05 * random.normal(),
                "ron_master": 2.7 + 0.01 * random.normal(),
                "struct_y": (2.0 if day >= JUMP else 1.0) + 0.02 * random.normal(),
                "n_outlier": 4.0,
            },
        )
        for day in range(first, first + n)
    ]  # fmt: skip
    store_rows(table, rows, Source(Origin.IMPORT, is_simulated=True), timezone.now())
    rescore(table.rows.filter(is_current=True), timezone.now())


@pytest.fixture
def history(client, quinn, instruments):
    table = QC1Table.objects.get(name="ccdcam_bias")
    store_history(table)
    client.force_login(quinn)
    return History(table, client)
