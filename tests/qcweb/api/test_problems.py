"""Every way to fail is answered in the one shape."""

import pytest
from django.db import OperationalError
from django.test import Client

from tests.qcweb.api.problems import assert_problem

ROWS = "/api/v1/qc1/tables/ccdcam_bias/rows/"
TABLES = "/api/v1/qc1/tables/"
TREND = f"{TABLES}ccdcam_bias/trend/ron_raw/"
HUGE = "9" * 5000


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


@pytest.mark.parametrize(
    ("address", "status", "where", "hint"),
    [
        (f"{ROWS}?format=xml", 400, "format", "Known are json, csv, ascii, votable, fits, parquet, html."),
        (f"{ROWS}?format=", 400, "format", "Known are json, csv, ascii"),
        (f"{TABLES}?format=csv", 400, "format", "Known are json, html."),
        ("/api/v1/schema/?format=xml", 400, "format", "Known are yaml, json."),
        (f"{ROWS}?chip=CHIP1", 400, "chip", "to filter by"),
        (f"{ROWS}?columns=ron", 400, "columns", "ron_raw"),
        (f"{ROWS}?columns=ron_raw,,x", 400, "columns", "ron_raw"),
        (f"{ROWS}?order=ron", 400, "order", "ron_raw"),
        (f"{ROWS}?order=read_mode", 400, "order", "descending"),
        (f"{ROWS}?order=-", 400, "order", "descending"),
        (f"{ROWS}?with=limits", 400, "with", "Known are score, certification, state."),
        (f"{ROWS}?include=all", 400, "include", "Known are hidden, rejected, superseded."),
        (f"{ROWS}?score=red", 400, "score", "NOK"),
        (f"{ROWS}?detector__gt=1", 400, "detector__gt", "__gte"),
        (f"{ROWS}?ron_raw__in=1", 400, "ron_raw__in", "__gte"),
        (f"{ROWS}?ron_raw__=1", 400, "ron_raw__", "__gte"),
        (f"{ROWS}?state=hidden", 400, "state", "include"),
        (f"{ROWS}?certification=AUTO", 400, "certification", "include"),
        (f"{ROWS}?date_obs=2026-03-02", 400, "date_obs", "from"),
        (f"{ROWS}?ron_raw=low", 400, "ron_raw", "a number"),
        (f"{ROWS}?ron_raw=nan", 400, "ron_raw", "a number"),
        (f"{ROWS}?ron_raw__gt=1&ron_raw__gt=2", 400, "ron_raw__gt", "one"),
        (f"{ROWS}?ron_raw__missing=maybe", 400, "ron_raw__missing", "true or false"),
        (f"{ROWS}?ron_raw_score=2", 400, "ron_raw_score", "0, 1 or none"),
        (f"{ROWS}?row={HUGE}", 400, "row", "whole number"),
        (f"{ROWS}?row=9223372036854775808", 400, "row", "whole number"),
        (f"{ROWS}?night=2026-13-01", 400, "night", "a date"),
        (f"{ROWS}?recorded_at__gt=now", 400, "recorded_at__gt", "a UT time"),
        (f"{ROWS}?simulated=2", 400, "simulated", "true or false"),
        (f"{TABLES}?detector=x", 400, "detector", "instrument, table, order, limit, cursor, format"),
        ("/api/v1/?x=1", 400, "x", "Known are format."),
        ("/api/v1/schema/?version=2", 400, "version", "Known are format."),
        ("/api/v1/qc1/tables/fors2_bias/rows/", 404, "table", "ccdcam_bias, ccdcam_dark"),
        ("/api/v1/qc1/tables/a%2Fb/rows/", 404, "", ""),
        ("/api/v1/qc2/", 404, "", ""),
        ("/api/v2/", 404, "", ""),
        *[
            (f"{ROWS}?{name}={text}", 400, name, "a date (2015-02-27)")
            for name in ("from", "to")
            for text in (
                "yesterday", "2015-02-30", "2015-13", "nan", "inf", "-inf", "1e400", "-1",
                "20150227", "2015-02-27T25:00:00", "2015-02-27T10:00:00%2B99:00", HUGE, "%20x",
            )
        ],
        (f"{ROWS}?from=2015-02-28&to=2015-02-27", 400, "from", "Exchange"),
        *[
            (f"{ROWS}?limit={text}", 400, "limit", "1 to 10000")
            for text in ("0", "-1", "10001", "ten", "", "1.5", "0000000010000000", "٣", HUGE)
        ],
        *[
            (f"{ROWS}?cursor={text}", 400, "cursor", "as it is")
            for text in (
                "x", "1", "~", "1~", "nan~1", "inf~1", "1~-1", "1~1.5", f"1~{HUGE}", "NaN~1",
                f"{HUGE}~1", '"x"~1', "true~1", "[1]~1", "1~9223372036854775808", f"{'[' * 3000}~1",
            )
        ],
        (f"{ROWS}?order=detector&cursor=1~1", 400, "cursor", "as it is"),
        (f"{ROWS}?order=row&cursor=NaN~5", 400, "cursor", "as it is"),
        (f"{ROWS}?order=row&cursor=1.5~5", 400, "cursor", "as it is"),
        (f'{ROWS}?order=detector&cursor="\\ud800"~5', 400, "cursor", "as it is"),
        (f'{ROWS}?order=detector&cursor="\\u0000"~5', 400, "cursor", "as it is"),
        (f"{ROWS}?order=night&cursor=%22x%22~1", 400, "cursor", "as it is"),
        (f"{ROWS}?order=recorded_at&cursor=%22x%22~1", 400, "cursor", "as it is"),
        (f"{ROWS}?format=csv&limit=5", 400, "limit", "Known are from, to, format"),
        (f"{ROWS}?format=csv&cursor=1~1", 400, "cursor", "Known are from, to, format"),
        (f"{ROWS}?from=%00", 400, "query", "UTF-8"),
        (f"{ROWS}?from=%ff", 400, "query", "UTF-8"),
        ("/api/v1/qc1/tables/%00/rows/", 400, "path", "UTF-8"),
        ("/api/v1/qc1/tables/%ff/rows/", 400, "path", "UTF-8"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_told_what_is_wrong_and_what_is_known(
    reader, night, address, status, where, hint
):
    assert_problem(reader.get(address), status, where, hint)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
@pytest.mark.parametrize("address", ["/api/v1/", TABLES, TREND, "/api/v1/schema/"])
def test_no_method_changes_anything(reader, night, method, address):
    answer = getattr(reader, method)(address)
    assert_problem(answer, 405, hint="GET")
    assert answer["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("address", ["/api/v1/", TABLES, ROWS, "/api/v1/schema/"])
def test_without_a_login_there_is_a_401_and_no_redirect(client, night, address):
    assert_problem(client.get(address), 401, hint="/login/")


def test_a_failure_of_ours_has_a_reference_and_says_nothing_of_its_cause(
    night, vera, monkeypatch, caplog
):
    def fails(*args):
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("qcweb.row_questions.parameters_of", fails)
    client = Client(raise_request_exception=False)
    client.force_login(vera)
    problem = assert_problem(client.get(ROWS), 500, hint="reference")
    assert "swordfish" not in str(problem)
    reference = problem["hint"].rsplit("reference ", 1)[1].split()[0]
    assert f"reference {reference}" in caplog.text
    assert "swordfish" in caplog.text


def test_a_database_that_does_not_answer_is_asked_again_later(night, vera, monkeypatch):
    def fails(*args):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr("qcweb.row_questions.parameters_of", fails)
    client = Client(raise_request_exception=False)
    client.force_login(vera)
    answer = client.get(ROWS)
    assert "connection" not in assert_problem(answer, 503, hint="reference")["detail"]
    assert int(answer["Retry-After"]) > 0


def test_a_form_that_nobody_can_mean_is_too_large(reader, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    form = "json=" + "x" * 2000
    kind = "application/x-www-form-urlencoded"
    assert_problem(reader.post("/api/v1/blocks/x/certifications/", form, content_type=kind), 413)


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        ("application/json", False), ("*/*", False), ("text/*", False), ("", False),
        ("text/csv", False), ("application/xml", False), ("text/html;q=0.5,*/*", False),
        ("text/html,application/json", False), ("text/html; a*=bogus''%41", False),
        ("text/html", True), ("text/html,*/*;q=0.8", True), (BROWSER, True),
    ],
)  # fmt: skip
def test_a_person_gets_a_page_and_a_program_json(reader, night, accept, is_page):
    answer = reader.get(TABLES, headers={"Accept": accept})
    kind = "text/html; charset=utf-8" if is_page else "application/json"
    assert answer["Content-Type"] == kind
    assert "Accept" in answer["Vary"]
    wrong = reader.get(f"{ROWS}?x=1", headers={"Accept": accept})
    assert wrong.status_code == 400
    assert "Accept" in wrong["Vary"]
    assert wrong["Content-Type"] == (kind if is_page else "application/problem+json")


@pytest.mark.parametrize("accept", ["application/json", BROWSER, "*/*"])
def test_the_address_can_say_the_format_for_everybody(reader, night, accept):
    def kind(address):
        answer = reader.get(address, headers={"Accept": accept})
        if answer.streaming:
            b"".join(answer)
        return answer["Content-Type"].partition(";")[0]

    assert kind(f"{TABLES}?format=json") == "application/json"
    assert kind(f"{TABLES}?format=html") == "text/html"
    assert kind(f"{ROWS}?format=csv") == "text/csv"
    assert kind(f"{ROWS}?format=html&x=1") == "text/html"
    assert kind(f"{ROWS}?format=json&x=1") == "application/problem+json"
