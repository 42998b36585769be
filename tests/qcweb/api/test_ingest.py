"""Rows that a program brings: all of them or none, the same twice, and a report of each."""

import io
import json
import math
from urllib.parse import urlencode

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from qcweb.api import ingest
from tests.qcweb.api.problems import assert_problem
from tests.qcweb.tokens import bearer, made
from trending.models import QC1Import, QC1Row, QC1Value, Score

ROWS = "/api/v1/qc1/tables/ccdcam_bias/rows/"
PARQUET = "application/vnd.apache.parquet"


def row(n=0, **more):
    return {
        "mjd_obs": 57000.5 + n, "detector": "CHIP1", "pro_catg": "MASTER_BIAS",
        "read_mode": "SLOW", "binning": "1x1", "bias_level": 1000.0 + n, "ron_raw": 4.0, **more,
    }  # fmt: skip


@pytest.fixture
def writer(instruments, quinn):
    """A program with a token that may write rows."""
    return Client(headers=bearer(made(quinn, "ingest", "read")[1]))


def send(client, body, kind="application/json", query=""):
    content = (
        json.dumps(body) if kind == "application/json" and not isinstance(body, bytes) else body
    )
    return client.post(f"{ROWS}{query}", content, content_type=kind)


def parquet(rows):
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


def test_rows_are_stored_scored_and_reported_one_by_one(writer):
    answer = send(writer, {"rows": [row(0), row(1, ron_raw=400.0)]})
    assert answer.status_code == 200
    assert answer.json() == {
        "table": "ccdcam_bias", "n_new": 2, "n_replaced": 0, "n_unchanged": 0,
        "rows": [{"row": 1, "outcome": "new"}, {"row": 2, "outcome": "new"}],
    }  # fmt: skip
    stored = QC1Row.objects.order_by("mjd_obs")
    assert [(one.origin, one.is_simulated) for one in stored] == [("import", False)] * 2
    assert QC1Value.objects.get(row=stored[0], series__parameter__name="bias_level").value == 1000.0
    assert Score.objects.filter(row__in=stored, is_current=True).exists()
    found = QC1Import.objects.get()
    assert (found.by, found.file_name) == ("quinn", "sent by quinn, token nightly export")


def test_the_same_rows_again_change_nothing(writer):
    body = {"rows": [row(0), row(1)]}
    send(writer, body)
    before = list(QC1Row.objects.values_list("pk", "recorded_at"))
    again = send(writer, body).json()
    assert (again["n_new"], again["n_unchanged"]) == (0, 2)
    assert list(QC1Row.objects.values_list("pk", "recorded_at")) == before
    changed = send(writer, {"rows": [row(0), row(1, ron_raw=5.0), row(2)]}).json()
    assert [one["outcome"] for one in changed["rows"]] == ["unchanged", "replaced", "new"]


def test_parquet_is_read_as_json_is(writer):
    rows = [row(0), row(1, ron_raw=None)]
    assert send(writer, parquet(rows), PARQUET).json()["n_new"] == 2
    assert send(writer, {"rows": rows}).json()["n_unchanged"] == 2
    missing = QC1Value.objects.get(row__mjd_obs=57001.5, series__parameter__name="ron_raw")
    assert (missing.value, missing.missing_reason) == (None, "no value")


def test_what_pandas_writes_is_read(writer):
    content = io.BytesIO()
    pandas.DataFrame([row(0), row(1)]).to_parquet(content)
    assert send(writer, content.getvalue(), PARQUET).json()["n_new"] == 2


def test_what_the_api_gave_can_be_sent_back(writer):
    send(writer, {"rows": [row(0), row(1)]})
    given = writer.get(f"{ROWS}?with=score,certification,state").json()["rows"]
    assert send(writer, {"rows": given}).json()["n_unchanged"] == 2
    whole = b"".join(writer.get(f"{ROWS}?format=parquet").streaming_content)
    assert send(writer, whole, PARQUET).json()["n_unchanged"] == 2


def test_one_wrong_row_refuses_all_and_each_is_named(writer):
    body = {"rows": [row(0), row(1, ron_raw="low"), row(2, mjd_obs=None), row(3)]}
    problem = assert_problem(send(writer, body), 422, "row 2", "send all of them again")
    assert problem["errors"] == [
        {"where": "row 2", "detail": "ron_raw = 'low' is not a number; leave it empty if there is none"},
        {"where": "row 3", "detail": "mjd_obs = '' is not a number"},
    ]  # fmt: skip
    assert not QC1Row.objects.exists()
    assert not QC1Import.objects.exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"mjd_obs": 57000.5, "seeing": 0.7}], "unknown columns seeing"),
        ([{"detector": "CHIP1"}], "column mjd_obs is missing"),
        ([row(0), row(0)], "the same measurement as in row 1"),
        ([row(0, detector=["CHIP1"])], "is no text or number"),
        ([row(0, detector={"a": 1})], "is no text or number"),
        ([row(0, detector="x" * 33)], "longer than 32 characters"),
        ([row(0, read_mode="a\x00b")], "holds a NUL"),
        ([row(0, mjd_obs=1e9)], "expected a Modified Julian Date"),
        ([row(0, mjd_obs="1e400")], "expected a Modified Julian Date"),
        ([row(0, mjd_obs=True)], "is not a number"),
        ([row(0, ron_raw=10**400)], "is not a number"),
        ([row(0, detector="\ud800")], "half a character"),
    ],
)
def test_each_thing_that_cannot_be_stored_is_told(writer, rows, said):
    problem = assert_problem(send(writer, {"rows": rows}), 422)
    assert said in problem["detail"]
    assert not QC1Row.objects.exists()


def test_every_wrong_row_is_named(writer):
    problem = assert_problem(send(writer, {"rows": [row(n, ron_raw="x") for n in range(50)]}), 422)
    assert [one["where"] for one in problem["errors"]] == [f"row {n}" for n in range(1, 51)]


def test_a_small_body_that_would_unpack_to_much_is_refused(writer):
    many = {"rows": [{f"c{n}": 1} for n in range(ingest.MAX_NAMES + 1)]}
    assert_problem(send(writer, many), 400, "body", "No table")
    long = parquet([row(n, detector="x" * (ingest.MAX_TEXT + 1)) for n in range(3)])
    assert_problem(send(writer, long, PARQUET), 400, "body", "No column")


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"{", 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b"[]", 400, "body"),
        (b'{"rows": 3}', 400, "body"),
        (b'{"rows": [1]}', 400, "body"),
        (b'{"rows": [], "table": "x"}', 400, "body"),
        (b'{"rows": [{"mjd_obs": NaN}]}', 400, "body"),
        (b"[" * 100_000, 400, "body"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_its_shape(writer, body, status, where):
    assert_problem(send(writer, body), status, where, '"rows"')


def test_an_empty_list_stores_nothing_and_is_no_mistake(writer):
    answer = send(writer, {"rows": []})
    assert answer.status_code in {200, 422}
    assert not QC1Row.objects.exists()


@pytest.mark.parametrize("content", [b"x", b"PAR1", b"PAR1" + b"\x00" * 50 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused(writer, content):
    assert_problem(send(writer, content, PARQUET), 400, "body")


@pytest.mark.parametrize("kind", ["text/csv", "multipart/form-data", "", "application/xml"])
def test_another_kind_of_body_is_told_the_known_ones(writer, kind):
    answer = writer.generic("POST", ROWS, b"x", content_type=kind)
    assert_problem(answer, 415, "Content-Type", "application/json")


def test_too_much_at_once_is_refused_before_it_is_read(writer, settings, monkeypatch):
    settings.HCM_UPLOAD_MB = 0.001
    assert_problem(
        send(writer, {"rows": [row(n) for n in range(20)]}), 413, "body", "several parts"
    )
    settings.HCM_UPLOAD_MB = 64
    monkeypatch.setattr(ingest, "MAX_ROWS", 5)
    assert_problem(send(writer, {"rows": [row(n) for n in range(6)]}), 413, "body", "several parts")
    assert_problem(send(writer, parquet([row(n) for n in range(6)]), PARQUET), 413, "body")
    assert send(writer, {"rows": [row(n) for n in range(5)]}).status_code == 200


def test_rows_of_the_pipeline_are_not_replaced(night, quinn):
    writer = Client(headers=bearer(made(quinn, "ingest", "read")[1]))
    given = writer.get(f"{ROWS}?limit=1").json()["rows"]
    given[0]["ron_raw"] = 99.0
    problem = assert_problem(send(writer, {"rows": given}), 422, "row 1")
    assert "was measured by the pipeline" in problem["detail"]


def test_simulated_rows_say_so(writer):
    send(writer, {"rows": [row(0)]}, query="?simulated=true")
    assert QC1Row.objects.get().is_simulated
    assert_problem(send(writer, {"rows": [row(0)]}, query="?simulated=1"), 400, "simulated", "true")
    assert_problem(send(writer, {"rows": [row(0)]}, query="?table=x"), 400, "table", "simulated")


def test_a_token_writes_only_where_and_what_it_is_for(instruments, quinn, vera):
    body = {"rows": [row(0)]}
    for user, scopes, given in (
        (quinn, ["read", "certify"], {}), (vera, ["ingest"], {}),
        (quinn, ["ingest"], {"instruments": ["UVES"]}),
    ):  # fmt: skip
        client = Client(headers=bearer(made(user, *scopes, **given)[1]))
        assert_problem(send(client, body), 403)
    assert_problem(send(Client(), body), 401)
    assert not QC1Row.objects.exists()


def test_a_number_comes_through_to_its_last_bit(writer):
    numbers = [math.pi, 1e-300, -1.7976931348623157e308, 0.1 + 0.2]
    send(writer, {"rows": [row(n, bias_level=one) for n, one in enumerate(numbers)]})
    given = writer.get(f"{ROWS}?columns=bias_level").json()["rows"]
    assert [one["bias_level"] for one in given] == numbers


def test_a_person_stores_rows_by_the_form_of_the_page(instruments, quinn, vera):
    client = Client(enforce_csrf_checks=True)
    client.force_login(quinn)
    page = client.get(ROWS, headers={"Accept": "text/html"}).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="', 1)[1].split('"', 1)[0]
    kind = "application/x-www-form-urlencoded"
    form = {"json": json.dumps({"rows": [row(0)]}), "csrfmiddlewaretoken": token}
    assert client.post(ROWS, urlencode({"json": form["json"]}), kind).status_code == 403
    answer = client.post(ROWS, urlencode(form), kind)
    assert answer.status_code == 200
    assert QC1Row.objects.count() == 1
    client.force_login(vera)
    assert "Post here" not in client.get(ROWS, headers={"Accept": "text/html"}).content.decode()
