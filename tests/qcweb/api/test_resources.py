"""What the API says of one thing, and that it says the numbers of the pages."""

import pytest
import time_machine
from django.utils import timezone

from pipelines.domain.times import mjd_to_datetime
from pipelines.models import AssociationBlock, Attempt, Instrument
from pipelines.services.nights import close_night, reopen_night, what_is_left
from qcweb.certification.models import Certification
from qcweb.web.views import reports as report_pages
from tests.qcweb.api.problems import assert_problem
from tests.qcweb.web.html import parse
from trending.models import QC1Row, QualityEvent, Report, ScoreRule
from trending.services.health import report_states

API = "/api/v1"
NIGHT = "/nights/CCDCAM/2026-03-01/"


def test_an_instrument_has_its_data_types_recipes_and_rules(pool, ask):
    found = ask(f"{API}/instruments/CCDCAM/")
    assert (found["name"], found["is_simulated"], found["is_system"]) == ("CCDCAM", True, False)
    assert {"BIAS", "DARK", "FLAT"} <= {one["name"] for one in found["raw_types"]}
    assert "hcm_bias" in found["recipes"]
    assert [one["flavour"] for one in found["rule_sets"]] == ["raw2master"]
    assert len(ask(found["blocks"])["blocks"]) == 8
    assert len(ask(found["nights"])["nights"]) == 1
    assert {one["instrument"] for one in ask(found["tables"])["tables"]} == {"CCDCAM"}
    assert ask(f"{API}/instruments/HCM/")["is_system"] is True


def test_a_table_and_its_columns_are_those_of_the_list(pool, ask):
    tables = {one["name"]: one for one in ask(f"{API}/qc1/tables/")["tables"]}
    bias = ask(f"{API}/qc1/tables/ccdcam_bias/")
    assert bias == tables["ccdcam_bias"]
    assert ask(f"{API}/qc1/tables/ccdcam_bias/columns/") == {"columns": bias["columns"]}
    rows = ask(bias["rows"])
    # A row has columns that every table has, too.
    assert [one for one in rows["columns"] if one["parameter_class"]] == bias["columns"]
    assert (
        bias["n_rows"] == QC1Row.objects.filter(table__name="ccdcam_bias", is_current=True).count()
    )


def test_a_block_says_what_it_is_made_of_and_what_was_made_of_it(pool, ask):
    dark = AssociationBlock.objects.filter(raw_type="DARK").order_by("mjd_obs").first()
    found = ask(f"{API}/blocks/{dark.ab_name}/")
    listed = ask(f"{API}/blocks/?block={dark.ab_name}")["blocks"][0]
    assert {name: found[name] for name in listed} == listed
    assert [one["do_catg"] for one in found["frames"]] == ["DARK"] * 3
    (bias,) = found["calibrations"]
    assert (bias["producer"], bias["pro_catg"]) == (pool["green"].ab_name, "MASTER_BIAS")
    link = dark.calibrations.get()
    assert bias["distance_days"] == link.delta_days
    assert -0.1 < bias["distance_days"] < 0
    assert ask(bias["address"])["used_by"][0] == dark.ab_name
    (run,) = found["attempts"]
    assert (run["number"], run["outcome"], run["return_code"]) == (1, "SUCCESSFUL", 0)
    assert {one["pro_catg"] for one in found["products"]} == {"MASTER_DARK", "HOT_PIXEL_MAP"}
    assert found["score"]["result"] == 0
    assert found["certification"]["decision"] == "AUTO"
    assert [one["decision"] for one in found["history"]] == ["AUTO"]
    assert {one["block"] for one in ask(found["scores"])["scores"]} == {dark.ab_name}
    n = found["score"]["n_scored"] + found["score"]["n_grey"]
    assert len(ask(found["scores"])["scores"]) == n


@pytest.mark.parametrize("state", ["red", "grey", "failed", "blocked", "degraded", "incomplete"])
def test_a_block_in_any_state_can_be_told(pool, ask, state):
    found = ask(f"{API}/blocks/{pool[state].ab_name}/")
    assert found["ab_name"] == pool[state].ab_name
    assert found["process_status"] == pool[state].process_status
    if state == "blocked":
        assert found["blocked_by"] == pool["failed"].ab_name
    if state == "grey":
        assert (found["score"]["result"], found["certification"]) == (None, None)
        assert [one["decision"] for one in found["history"]] == ["REOPENED", "ACCEPTED"]


def test_what_stands_is_what_holds(pool, ask):
    told = {
        one["id"]: one["is_standing"] for one in ask(f"{API}/certifications/")["certifications"]
    }
    last = {}
    for entry in Certification.objects.select_related("block").order_by("number"):
        last[entry.block_id] = entry
    for entry in Certification.objects.select_related("block"):
        is_last = last[entry.block_id] == entry
        assert told[entry.pk] == (is_last and entry.holds(entry.block)), entry


def test_a_rejection_without_a_result_stands_and_an_acceptance_does_not(night, quinn, ask):
    """As `holds` says, also where there is no run: in a database nothing equals nothing."""
    for number, decision in ((1, "ACCEPTED"), (2, "REJECTED")):
        Certification.objects.create(
            block=night["red"], number=number, decision=decision, decided_by=quinn, comment="no",
            decided_at=timezone.now(),
        )  # fmt: skip
        AssociationBlock.objects.filter(pk=night["red"].pk).update(
            current_attempt=None, process_status="FAILED"
        )
        block = AssociationBlock.objects.get(pk=night["red"].pk)
        entry = Certification.objects.get(block=block, number=number)
        stands = entry.holds(block)
        assert stands is (decision == "REJECTED")
        address = f"{API}/blocks/?block={block.ab_name}"
        assert len(ask(f"{address}&certification=open")["blocks"]) == (0 if stands else 1)
        assert len(ask(f"{address}&certification=REJECTED")["blocks"]) == (1 if stands else 0)


def counters(page):
    return {
        one.attributes["href"].removeprefix("?show="): int(one.one("b").text)
        for one in page.all("a", css="count")
    }


def test_a_night_has_the_numbers_of_its_page(pool, ask, client):
    told = ask(f"{API}{NIGHT}")
    page = parse(client.get(NIGHT))
    axes = ("processing", "completeness", "score", "certification")
    assert {key: n for axis in axes for key, n in told[axis].items()} == counters(page)
    assert page.one(css="big").text == f"{told['n_nok']}/{told['n_scored']} NOK"
    assert (told["result"], told["n_blocks"], told["is_at_work"]) == (1, 8, True)
    assert (told["is_closed"], told["closing"]) == (False, None)
    assert f"({told['frames']['all']})" in page.one("nav", css="links").text
    assert len(ask(told["blocks"])["blocks"]) == told["n_blocks"]


def test_a_night_in_the_list_has_the_numbers_of_the_nights_page(pool, ask, client):
    told = {one["instrument"]: one for one in ask(f"{API}/nights/")["nights"]}
    table = parse(client.get("/nights/")).one("table", css="tbl")
    for row in table.one("tbody").all("tr"):
        line = told[row.one("th").text]
        cells = [cell.text for cell in row.all("td")]
        assert f"{line['n_at_rest']}/{line['n_blocks']}" in cells[1].replace(" ", "")
        result = "0/" if not line["n_nok"] else f"{line['n_nok']}/"
        assert (f"{result}{line['n_scored']}" in cells[4]) == bool(line["n_scored"])
        assert cells[5] == (str(line["n_to_review"]) if line["n_to_review"] else cells[5])


def test_a_night_is_closed_by_somebody_and_opened_again(night, quinn, ask):
    ccdcam, day = Instrument.objects.get(name="CCDCAM"), night["red"].night
    left = what_is_left(ccdcam, day)
    close_night(ccdcam, day, quinn, "good night", left, timezone.now())
    told = ask(f"{API}{NIGHT}")
    assert told["is_closed"] is True
    closing = told["closing"]
    assert (closing["kind"], closing["by"], closing["left"]) == ("CLOSED", "quinn", left)
    reopen_night(ccdcam, day, quinn, "", timezone.now())
    assert ask(f"{API}{NIGHT}")["is_closed"] is False
    assert ask(f"{API}/nights/?state=open")["nights"][0]["is_closed"] is False


def test_a_night_without_blocks_is_empty_and_no_mistake(pool, ask):
    told = ask(f"{API}/nights/CCDCAM/2015-02-26/")
    assert (told["n_blocks"], told["result"], told["processing"]["all"]) == (0, None, 0)


@pytest.mark.parametrize("days_later", [0.5, 3, 30])
def test_a_report_stands_as_its_page_says(states, ask, client, days_later):
    newest = QC1Row.objects.order_by("-mjd_obs").first().mjd_obs
    with time_machine.travel(mjd_to_datetime(newest + days_later), tick=False):
        told = {one["address"]: one for one in ask(f"{API}/reports/?limit=1000")["reports"]}
        for state in report_states(Report.objects.prefetch_related("panels__datasets")):
            one = told[f"{API}/reports/{state.report.instrument}/{state.report.name}/"]
            look = report_pages._state_look(state, timezone.now())
            assert (one["n_nok"], one["n_scored"]) == (state.n_nok, state.n_scored)
            words = {"nok": "NOK", "ok": "OK", "grey": "grey", "nodata": "no_data"}
            assert one["state"] == words[look.css]
            assert one["last_mjd"] == state.last_mjd
        seen = {one["state"] for one in told.values()}
        assert seen == ({"NOK", "OK", "no_data"} if days_later < 7 else {"no_data"})


@pytest.mark.parametrize("name", ["read_noise", "bias_level", "dark"])
def test_a_report_has_the_limits_and_states_of_its_page(states, ask, client, name):
    newest = QC1Row.objects.order_by("-mjd_obs").first().mjd_obs
    with time_machine.travel(mjd_to_datetime(newest + 0.5), tick=False):
        told = ask(f"{API}/reports/CCDCAM/{name}/")
        page = client.get(f"/reports/CCDCAM/{name}/").context
        words = {"nok": "NOK", "ok": "OK", "grey": "grey", "nodata": "no_data"}
        assert [one["title"] for one in told["panels"]] == [
            one.panel.title for one in page["panels"]
        ]
        for panel, view in zip(told["panels"], page["panels"], strict=True):
            assert (panel["number"], panel["state"]) == (view.number, words[view.look.css])
            for one, drawn in zip(panel["datasets"], view.datasets, strict=True):
                assert one["table"] == drawn.dataset.parameter.table.name
                assert one["parameter"] == drawn.dataset.parameter.name
                assert (one["setup"], one["detector"]) == (
                    drawn.dataset.setup, drawn.dataset.detector,
                )  # fmt: skip
                assert (one["lower"], one["upper"]) == drawn.limits
                assert one["latest"] == drawn.latest
                assert one["state"] == words[drawn.look.css]
                rule = drawn.rule
                expected = (rule.limits, rule.version) if rule else (None, None)
                assert (one["rule"], one["rule_version"]) == expected
    assert Report.objects.get(instrument__name="CCDCAM", name=name).panels.count()


def test_a_score_has_the_limits_and_the_rule_it_was_judged_by(pool, ask):
    scores = ask(f"{API}/scores/?score=NOK&parameter=ron_raw")["scores"]
    (red,) = [one for one in scores if one["block"] == pool["red"].ab_name]
    assert red["value"] > red["upper"]
    assert (red["unit"], red["detector"], red["state"]) == ("ADU", "CHIP2", "rejected")
    rule = ScoreRule.objects.get(key=red["rule"]["key"], version=red["rule"]["version"])
    assert rule.limits == red["rule"]["limits"]


def test_an_event_has_its_references(pool, ask):
    event = QualityEvent.objects.get(kind="intervention")
    told = ask(f"{API}/events/{event.pk}/")
    (reference,) = told["references"]
    assert (reference["parameter"], reference["value"], reference["unit"]) == (
        "ron_raw",
        5.0,
        "ADU",
    )
    assert (told["table"], told["parameter"], told["taken_back_at"]) == (
        "ccdcam_bias", "ron_raw", None,
    )  # fmt: skip


def test_a_product_can_be_had_where_it_says(pool, ask, client):
    told = ask(f"{API}/products/?block={pool['green'].ab_name}&is_current=true")["products"]
    one = ask(told[0]["address"])
    assert (one["outcome"], one["is_certified"]) == ("SUCCESSFUL", True)
    answer = client.get(one["download"])
    assert answer.status_code == 200
    assert len(b"".join(answer)) == one["size"]


@pytest.mark.parametrize(
    ("address", "where", "hint"),
    [
        ("instruments/HST/", "name", "CCDCAM"),
        ("qc1/tables/hst/", "table", "ccdcam_bias"),
        ("qc1/tables/hst/columns/", "table", "ccdcam_bias"),
        ("blocks/nothing/", "ab_name", "blocks"),
        ("blocks/nothing/certifications/", "ab_name", "blocks"),
        ("reports/CCDCAM/nothing/", "name", "reports"),
        ("reports/HST/bias_level/", "name", "reports"),
        ("nights/HST/2026-03-01/", "instrument", "CCDCAM"),
        ("nights/CCDCAM/tomorrow/", "night", "2015-02-26"),
        ("nights/CCDCAM/2026-02-30/", "night", "2015-02-26"),
        ("events/0/", "id", "events"),
        (f"frames/{2**63}/", "id", "frames"),
        (f"products/{10**40}/", "id", "products"),
        ("events/-1/", "", ""),
        (f"frames/{'9' * 5000}/", "", ""),
        ("frames/one/", "", ""),
    ],
)
def test_what_is_not_there_is_told_so(pool, client, vera, address, where, hint):
    client.force_login(vera)
    assert_problem(client.get(f"{API}/{address}"), 404, where, hint)


def test_one_thing_is_asked_for_nothing_but_the_format(pool, client, vera):
    client.force_login(vera)
    frame = pool["green"].block_frames.first().raw_file_id
    for address in (f"frames/{frame}/", "instruments/CCDCAM/", f"blocks/{pool['red'].ab_name}/"):
        assert client.get(f"{API}/{address}?format=json").status_code == 200
        assert_problem(client.get(f"{API}/{address}?limit=1"), 400, "limit", "Known are format.")


def test_a_number_that_is_none_is_null(night, ask):
    """An exposure comes from a header, where anything may stand: JSON has no NaN."""
    Attempt.objects.filter(block=night["red"]).update(peak_mb=float("inf"))
    frame = night["red"].block_frames.first().raw_file
    frame.exptime_s = float("inf")
    frame.save()
    told = ask(f"{API}/blocks/{night['red'].ab_name}/")
    assert told["attempts"][0]["peak_mb"] is None
    assert ask(f"{API}/frames/{frame.pk}/")["exptime_s"] is None
