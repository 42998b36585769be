"""The page of patterns: every part in every state, from samples that are stored nowhere."""

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.models import AssociationBlock, CalibrationLink, ProcessStatus, RawFile
from qcweb import looks
from qcweb.nightlines import NightLine
from qcweb.web.graph import Edge, Graph, Node, line_between
from qcweb.web.previews import bars, line
from qcweb.web.rule_form import RuleForm
from qcweb.web.views.home import Cell
from qcweb.web.views.plan import LOOKS as PLAN_LOOKS

DAY = dt.date(2015, 2, 26)
AT = dt.datetime(2015, 2, 27, 9, tzinfo=dt.UTC)


COUNTS = [1, 6, 20, 60, 120, 160, 118, 64, 22, 5, 1]


def patterns(request: HttpRequest) -> HttpResponse:
    """Show every part in every state."""
    return render(
        request,
        "patterns.html",
        {
            "process": [*looks.PROCESS.values(), looks.DEGRADED],
            "completeness": looks.COMPLETENESS.values(),
            "scores": [
                looks.tally(0, 6), looks.tally(1, 4), looks.NOT_SCORED, looks.NO_DATA,
            ],
            "decisions": [looks.REVIEW, *looks.DECISIONS.values()],
            "plan": PLAN_LOOKS.values(),
            "frames": _frames(),
            "links": _links(),
            "nights": [
                NightLine("CCDCAM", DAY, n=8, n_done=6, n_failed=1, n_running=1, n_queued=1,
                          n_review=2, n_nok=1, n_scored=24),
                NightLine("CCDCAM", DAY, n=8, n_done=8, n_scored=62, is_closed=True),
            ],
            "graph": _graph(),
            "cells": [
                Cell("Bias", looks.tally(0, 9), "ok", "", "5h", False),
                Cell("Bias", looks.tally(1, 24), "nok", "", "34m", False),
                Cell("Flat", looks.tally(0, 15), "ok", "", "41h", True),
                Cell("Dark", looks.tally(0, 0), "none", "", "2h", False),
                Cell("Gain", looks.NO_DATA, "none", "", "22d", False),
                None,
            ],
            "rule_form": RuleForm(
                {"limits": "5MADX", "average": "MEDIAN", "min_n": "5"}, auto_id="p_%s"
            ),
            "plots": [
                ("histogram", "pv-bars", bars({"low": 994.0, "high": 1006.0, "counts": COUNTS})),
                ("middle row", "pv-line", line([3.0, 4.0, 3.5, None, 4.5, 4.0, 5.0, 4.2])),
            ],
            "swatches": ["bg", "surface", "sunken", "ok", "ok-bg", "nok", "nok-bg", "nok-fill",
                         "warn", "warn-bg", "act", "act-bg", "human", "human-bg", "mute"],
        },
    )  # fmt: skip


def _frames() -> list[RawFile]:
    return [
        RawFile(raw_type="BIAS"),
        RawFile(raw_type="SCIENCE", is_science=True),
        RawFile(pro_catg="MASTER_BIAS"),
        RawFile(),
        RawFile(raw_type="BIAS", problem="truncated: 2880 of 8640 bytes"),
        RawFile(raw_type="BIAS", gone_at=AT),
        RawFile(raw_type="BIAS", hidden_at=AT),
    ]


def _links() -> list[CalibrationLink]:
    status = ProcessStatus
    producers = [
        AssociationBlock(process_status=status.SUCCESSFUL, is_certified=True),
        AssociationBlock(process_status=status.SUCCESSFUL),
        AssociationBlock(process_status=status.QUEUED),
        AssociationBlock(process_status=status.FAILED),
        AssociationBlock(process_status=status.SUCCESSFUL, is_withdrawn=True),
    ]
    return [CalibrationLink(producer=one) for one in producers]


def _graph() -> Graph:
    outside = [
        Node("f1", 12, 12, "MASTER_BIAS", "file on disk", None, "#"),
        Node("b1", 12, 64, "BIAS", "night 2015-02-25", None, "#"),
    ]
    states = [*looks.PROCESS.values(), looks.DEGRADED, looks.COMPLETENESS["INCOMPLETE"]]
    inside = [
        Node(f"n{n}", 272 + 210 * (n % 2), 12 + 52 * (n // 2), "FLAT", look.word, look, "#")
        for n, look in enumerate(states)
    ]
    edges = [
        Edge(line_between(outside[0], inside[0]), False, "within the plan"),
        Edge(line_between(outside[1], inside[2]), True, "beyond the plan"),
    ]
    return Graph([*outside, *inside], edges, 684, 220)
