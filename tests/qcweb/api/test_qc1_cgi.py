"""ESO's public form: programs that were written for it read our tables as they read theirs."""

from urllib.parse import urlencode

import pytest
from astropy.io import ascii as astropy_ascii
from astropy.table import Table

from tests.qcweb.api.problems import assert_problem
from tests.qcweb.web.html import parse
from trending.models import QC1Row, QC1Value, Setup, ValueState

CGI = "/qc1/qc1_cgi"
FORM = {
    "action": "qc1_browse_get",
    "table": "ccdcam_bias",
    "from": "2026-03-01",
    "to": "2026-03-31",
    "field_mjd_obs": "mjd_obs",
    "field_civil_date": "civil_date",
    "field_detector": "detector",
    "field_read_mode": "read_mode",
    "filter_read_mode": "SLOW",
    "field_ron_raw": "ron_raw",
    "filter_detector": "CHIP1",
    "output": "ascii",
}


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


def text(answer):
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    return b"".join(answer.streaming_content).decode()


def as_scripts_read(content):
    """Drop remarks and dashes, and read the rest."""
    lines = [line for line in content.splitlines() if not line.startswith("!")]
    return astropy_ascii.read([line for line in lines if set(line) != {"-"}])


def as_a_known_client_reads(content):
    """Delete every "!", then the run of dashes that the second line is."""
    content = content.replace("!", "")
    start = end = content.find("\n") + 1
    while content[end] == "-":
        end += 1
    return Table.read(content[:start] + content[end + 1 :], format="ascii")


@pytest.mark.parametrize("read", [as_scripts_read, as_a_known_client_reads])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_program_that_knows_esos_form_reads_our_rows(reader, night, method, read):
    if method == "get":
        content = text(reader.get(CGI, FORM))
    else:
        content = text(
            reader.post(CGI, urlencode(FORM), content_type="application/x-www-form-urlencoded")
        )
    found = read(content)
    assert found.colnames == ["mjd_obs", "civil_date", "detector", "read_mode", "ron_raw"]
    [row] = QC1Row.objects.filter(table__name="ccdcam_bias", detector="CHIP1",
                                  setup__values__read_mode="SLOW")  # fmt: skip
    assert found["mjd_obs"].tolist() == [row.mjd_obs]
    assert found["civil_date"].tolist() == ["2026-03-02T09:00:04.217"]
    assert found["ron_raw"][0] == row.values.get(series__parameter__name="ron_raw").value


def test_the_answer_is_one_head_line_dashes_rows_of_one_width_and_remarks(reader, night):
    lines = text(reader.get(CGI, {**FORM, "filter_read_mode": "any"})).splitlines()
    assert lines[0].split() == ["mjd_obs", "civil_date", "detector", "read_mode", "ron_raw"]
    assert set(lines[1]) == {"-"}
    assert len({len(line) for line in lines[:4]}) == 1
    assert all(line.startswith("!") for line in lines[4:])
    assert "!# ron_raw [ADU]: Read noise of one frame, from differences of frames" in lines


def test_without_fields_all_columns_come(reader, night):
    form = {"action": "qc1_browse_get", "table": "ccdcam_bias"}
    found = as_scripts_read(text(reader.get(CGI, form)))
    assert (len(found), found.colnames[0], "struct_x" in found.colnames) == (4, "mjd_obs", True)


@pytest.mark.parametrize("value", ["", "any", "ANY", "na"])
def test_a_filter_left_at_any_is_none(reader, night, value):
    form = {**FORM, "filter_read_mode": value, "filter_detector": value}
    assert len(as_scripts_read(text(reader.get(CGI, form)))) == 4


def test_a_set_up_that_does_not_exist_has_no_rows(reader, night):
    content = text(reader.get(CGI, {**FORM, "filter_read_mode": "XX"}))
    assert content.splitlines()[0].split()[0] == "mjd_obs"
    page = reader.get(CGI, {**FORM, "filter_read_mode": "XX", "output": "html"})
    assert b"No rows" in page.content


def test_filters_of_numbers_compare_numbers(reader, night):
    frames = QC1Value.objects.filter(series__parameter__name="n_frames").first().value or 0.0
    for written, n in ((f"{frames:.0f}", 1), (f"{frames:.3f}", 1), (f"{frames + 1:.0f}", 0)):
        form = {**FORM, "filter_n_frames": written}
        assert len(as_scripts_read(text(reader.get(CGI, form)))) == n


def test_hidden_rows_are_left_out_and_an_empty_answer_has_its_head(reader, night):
    QC1Row.objects.filter(table__name="ccdcam_bias").update(state=ValueState.HIDDEN)
    lines = text(reader.get(CGI, FORM)).splitlines()
    assert lines[0].split()[0] == "mjd_obs"
    assert [line for line in lines[2:] if not line.startswith("!")] == []


def test_a_text_that_looks_like_a_remark_or_a_formula_stays_in_its_column(reader, night):
    row = QC1Row.objects.filter(table__name="ccdcam_bias", detector="CHIP1").earliest("mjd_obs")
    for odd in ("!x", "# x", "a b", "-----", '"', "=cmd()"):
        Setup.objects.filter(pk=row.setup_id).update(values={"read_mode": odd, "binning": "1x1"})
        form = {**FORM, "filter_read_mode": odd}
        found = as_scripts_read(text(reader.get(CGI, form)))
        assert (len(found), found["ron_raw"].dtype.kind) == (1, "f")


def test_people_get_a_page_with_the_way_to_all_rows(reader, night):
    answer = reader.get(CGI, {**FORM, "output": "html", "filter_detector": "any"})
    page = parse(answer)
    assert len(page.one("tbody").all("tr")) == 2
    assert "61101.375" in page.one("tbody").text
    [link] = [one for one in page.all("a") if "output=ascii" in one.attributes.get("href", "")]
    again = reader.get(link.attributes["href"])
    assert len(as_scripts_read(text(again))) == 2


@pytest.mark.parametrize(
    ("change", "status", "where", "hint"),
    [
        ({"action": "qc1_drop"}, 400, "action", "qc1_browse_get"),
        ({"table": ""}, 400, "table", "ccdcam_bias"),
        ({"table": "fors2_bias"}, 404, "table", "ccdcam_bias"),
        ({"output": "xml"}, 400, "output", "ascii, html"),
        ({"from": "yesterday"}, 400, "from", "2015-02-27"),
        ({"from": "2026-04-01"}, 400, "from", "Exchange"),
        ({"field_seeing": "seeing"}, 400, "field_seeing", "civil_date"),
        ({"filter_seeing": "1"}, 400, "filter_seeing", "ron_raw"),
        ({"filter_ron_raw": "low"}, 400, "ron_raw", "a number"),
        ({"filter_civil_date": "2026-03-02"}, 400, "date_obs", "from"),
        ({"sort": "mjd"}, 400, "sort", "field_COLUMN"),
    ],
)  # fmt: skip
def test_a_wrong_form_is_told_what_is_known(reader, night, change, status, where, hint):
    answer = reader.get(CGI, {**FORM, **change}, headers={"Accept": "application/json"})
    assert_problem(answer, status, where, hint)


def test_its_first_page_is_the_list_of_tables(reader, night):
    assert reader.get(CGI)["Location"] == "/qc1/"


def test_a_form_may_come_from_anywhere_it_only_reads(night, vera, settings):
    from django.test import Client

    settings.HCM_ANONYMOUS_READ = True
    client = Client(enforce_csrf_checks=True)
    assert client.post(CGI, FORM).status_code == 200
    client.force_login(vera)
    assert client.post(CGI, FORM).status_code == 200
