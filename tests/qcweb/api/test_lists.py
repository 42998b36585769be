"""Every filter and every order of every collection, beside what the whole collection says."""

import datetime as dt

import pytest

from pipelines.domain.times import datetime_to_mjd
from pipelines.models import AssociationBlock, BlockFrame, RawFile
from qcweb.access import TABLE
from qcweb.api.listing import ListView
from qcweb.api.urls import urlpatterns
from tests.qcweb.api.conftest import copied
from tests.qcweb.api.problems import assert_problem

VIEWS = {pattern.name: getattr(pattern.callback, "view_class", object) for pattern in urlpatterns}
LISTS = {name: view.listing for name, view in VIEWS.items() if issubclass(view, ListView)}
ADDRESSES = {
    name: f"/api/v1/{'qc1/' if name == 'tables' else ''}{name}/" for name in LISTS
}  # fmt: skip


def of(field, *values):
    return lambda row: row[field] in values


def instant(text):
    return dt.datetime.fromisoformat(text)


def decision_of(row):
    return row["certification"] and row["certification"]["decision"]


# Of each collection: a question, and the rows of the whole collection it leaves.
QUESTIONS = {
    "instruments": [
        ("instrument=UVES", of("name", "UVES")),
        ("instrument=UVES&instrument=CCDCAM", of("name", "UVES", "CCDCAM")),
        ("runner=esorex", of("runner", "esorex")),
        ("is_simulated=true", of("is_simulated", True)),
        ("is_simulated=false", of("is_simulated", False)),
    ],
    "tables": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("table=ccdcam_bias&table=uves_bias", of("name", "ccdcam_bias", "uves_bias")),
    ],
    "nights": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("night=2026-02-20", of("night", "2026-02-20")),
        ("from=2026-02-21", lambda row: row["night"] >= "2026-02-21"),
        ("to=2026-02-20", lambda row: row["night"] <= "2026-02-20"),
        ("from=61091.9&to=61092", of("night", "2026-02-20", "2026-02-21")),
        ("state=closed", of("is_closed", True)),
        ("state=open", of("is_closed", False)),
    ],
    "blocks": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("night=2026-02-20", of("night", "2026-02-20")),
        ("from=2026-03-02T09:10:00", lambda row: row["date_obs"] >= "2026-03-02T09:10"),
        ("to=2026-03-02T09:10:00", lambda row: row["date_obs"] <= "2026-03-02T09:10"),
        ("to=2026-02-21", of("instrument", "UVES")),
        ("raw_type=DARK&raw_type=FLAT", of("raw_type", "DARK", "FLAT")),
        ("setup=SLOW_1x1", of("setup", "SLOW_1x1")),
        ("recipe=hcm_bias", of("recipe", "hcm_bias")),
        ("block=UVES.2026-02-21T09:36:00.000_tpl.ab", of("instrument", "UVES")),
        ("process_status=FAILED&process_status=BLOCKED",
         of("process_status", "FAILED", "BLOCKED")),
        ("completeness=INCOMPLETE", of("completeness", "INCOMPLETE")),
        ("score=OK", lambda row: row["score"] and row["score"]["result"] == 0),
        ("score=NOK", lambda row: row["score"] and row["score"]["result"] == 1),
        ("score=grey", lambda row: row["score"] and row["score"]["result"] is None),
        ("score=NOK&score=grey", lambda row: row["score"] and row["score"]["result"] != 0),
        ("certification=AUTO", lambda row: decision_of(row) == "AUTO"),
        ("certification=ACCEPTED", lambda row: decision_of(row) == "ACCEPTED"),
        ("certification=REJECTED", lambda row: decision_of(row) == "REJECTED"),
        ("certification=open", lambda row: decision_of(row) is None),
        ("needs_person=true", of("needs_person", True)),
        ("needs_person=false", of("needs_person", False)),
        ("is_degraded=true", of("is_degraded", True)),
        ("failure_kind=input", of("failure_kind", "input")),
        ("next_step=PROCESS", of("next_step", "PROCESS")),
        ("score=NOK&raw_type=BIAS&certification=REJECTED&night=2026-03-01",
         lambda row: decision_of(row) == "REJECTED"),
    ],
    "scores": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("night=2026-02-20", of("night", "2026-02-20")),
        ("from=2026-03-02T09:10:00", lambda row: row["date_obs"] >= "2026-03-02T09:10"),
        ("to=2026-02-21", of("instrument", "UVES")),
        ("table=ccdcam_dark", of("table", "ccdcam_dark")),
        ("parameter=ron_raw&parameter=bias_level", of("parameter", "ron_raw", "bias_level")),
        ("setup=50kHz", of("setup", "50kHz")),
        ("detector=CHIP1", of("detector", "CHIP1")),
        ("block=CCDCAM.2026-03-02T09:20:04.217_tpl.ab",
         of("block", "CCDCAM.2026-03-02T09:20:04.217_tpl.ab")),
        ("score=OK", of("result", 0)),
        ("score=NOK", of("result", 1)),
        ("score=grey", of("result", None)),
        ("grey_reason=no_rule", of("grey_reason", "no_rule")),
        ("parameter_class=KPI", of("parameter_class", "KPI")),
        ("is_warning=true", of("is_warning", True)),
        ("act=override", of("act", "override")),
        ("state=hidden", of("state", "hidden")),
        ("state=rejected&state=hidden", of("state", "hidden", "rejected")),
    ],
    "certifications": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("night=2026-02-20", of("night", "2026-02-20")),
        ("to=2026-02-22", lambda row: instant(row["decided_at"]).year == 2026
         and row["instrument"] == "UVES"),
        ("from=2026-02-22T00:00:01", of("instrument", "CCDCAM")),
        ("raw_type=DARK", of("raw_type", "DARK")),
        ("block=CCDCAM.2026-03-02T09:00:04.217_tpl.ab",
         of("block", "CCDCAM.2026-03-02T09:00:04.217_tpl.ab")),
        ("decision=REJECTED&decision=REOPENED", of("decision", "REJECTED", "REOPENED")),
        ("standing=true", of("is_standing", True)),
        ("standing=false", of("is_standing", False)),
        ("decided_by=quinn", of("decided_by", "quinn")),
    ],
    "reports": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("group=bias_dark", of("group", "bias_dark")),
        ("report=bias_level", of("name", "bias_level")),
        ("table=ccdcam_dark", of("address", "/api/v1/reports/CCDCAM/dark/")),
        ("table=ccdcam_bias&parameter=ron_raw",
         of("address", "/api/v1/reports/CCDCAM/read_noise/")),
    ],
    "events": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("from=61050", of("kind", "note")),
        ("to=61050", of("kind", "intervention")),
        ("table=ccdcam_bias", of("table", "ccdcam_bias")),
        ("parameter=ron_raw", of("parameter", "ron_raw")),
        ("kind=note", of("kind", "note")),
        ("state=standing", of("taken_back_at", None)),
        ("state=taken_back", lambda row: row["taken_back_at"] is not None),
        ("begins_epoch=false", of("begins_epoch", False)),
        ("author=vera", of("author", "vera")),
    ],
    "frames": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("night=2026-02-20", of("night", "2026-02-20")),
        ("from=2026-03-02T09:10:00", lambda row: row["date_obs"] >= "2026-03-02T09:10"),
        ("to=2026-02-21", of("instrument", "UVES")),
        ("raw_type=DARK&raw_type=FLAT", of("raw_type", "DARK", "FLAT")),
        ("setup=SLOW_1x1", of("setup", "SLOW_1x1")),
        ("name=science.fits", of("name", "science.fits")),
        ("do_catg=SCIENCE", of("do_catg", "SCIENCE")),
        ("dpr_catg=SCIENCE", of("dpr_catg", "SCIENCE")),
        ("dpr_type=OBJECT", of("dpr_type", "OBJECT")),
        ("dpr_tech=IMAGE,DIRECT", of("dpr_tech", "IMAGE,DIRECT")),
        ("pro_catg=MASTER_BIAS", of("pro_catg", "MASTER_BIAS")),
        ("program_id=110.A-0001(A)", of("program_id", "110.A-0001(A)")),
        ("target=Secret%20star", of("target", "Secret star")),
        ("state=science", of("is_science", True)),
        ("state=master", lambda row: row["pro_catg"]),
        ("state=unclassified", lambda row: not row["raw_type"] and not row["pro_catg"]),
        ("state=damaged", lambda row: row["problem"]),
        ("state=gone", lambda row: row["gone_at"]),
        ("state=hidden", lambda row: row["hidden_at"]),
        ("state=calibration",
         lambda row: not row["is_science"] and not row["pro_catg"] and row["raw_type"]),
    ],
    "products": [
        ("instrument=UVES", of("instrument", "UVES")),
        ("night=2026-02-20", of("night", "2026-02-20")),
        ("from=2026-03-02T09:10:00", lambda row: row["date_obs"] >= "2026-03-02T09:10"),
        ("to=2026-02-21", of("instrument", "UVES")),
        ("raw_type=DARK", of("raw_type", "DARK")),
        ("setup=SLOW_1x1", of("setup", "SLOW_1x1")),
        ("pro_catg=MASTER_BIAS&pro_catg=MASTER_DARK",
         of("pro_catg", "MASTER_BIAS", "MASTER_DARK")),
        ("recipe=hcm_dark", of("recipe", "hcm_dark")),
        ("block=CCDCAM.2026-03-02T09:20:04.217_tpl.ab",
         of("block", "CCDCAM.2026-03-02T09:20:04.217_tpl.ab")),
        ("is_current=true", of("is_current", True)),
        ("is_current=false", of("is_current", False)),
        ("is_certified=true", of("is_certified", True)),
        ("is_certified=false", of("is_certified", False)),
    ],
}  # fmt: skip


def rows_of(ask, name, query=""):
    answer = ask(f"{ADDRESSES[name]}?limit=1000&{query}")
    assert answer["next"] is None
    assert list(answer) == [LISTS[name].collection, "next"]
    return answer[LISTS[name].collection]


@pytest.mark.parametrize("name", LISTS)
def test_a_filter_leaves_what_the_whole_list_says(pool, ask, name):
    everything = rows_of(ask, name)
    for query, leaves in QUESTIONS[name]:
        expected = [row for row in everything if leaves(row)]
        assert 0 < len(expected) < len(everything), f"{query} tells nothing apart."
        assert rows_of(ask, name, query) == expected, query


@pytest.mark.parametrize("name", LISTS)
def test_every_filter_is_asked_for_here(name):
    declared = {one.name for one in LISTS[name].parameters} - {"order", "limit", "cursor"}
    asked = {word.partition("=")[0] for query, _ in QUESTIONS[name] for word in query.split("&")}
    assert asked == declared


@pytest.mark.parametrize("name", LISTS)
def test_every_collection_is_an_address_that_may_be_read(name):
    assert TABLE[f"api:{name}"][0] is not None


# How the values of an order compare: instants are written with the microseconds they have.
COMPARED_AS = {"changed_at": instant, "recorded_at": instant, "decided_at": instant}


@pytest.mark.parametrize("name", LISTS)
def test_an_order_orders_and_its_other_way_round_is_the_same_from_behind(pool, ask, name):
    for order in LISTS[name].orders:
        rows = rows_of(ask, name, f"order={order}")
        keys = [COMPARED_AS.get(order, lambda value: value)(row[order]) for row in rows]
        assert keys == sorted(keys), order
        assert len(set(keys)) > 1 or order == "recorded_at", order
        assert rows_of(ask, name, f"order=-{order}") == rows[::-1], order


@pytest.mark.parametrize("name", LISTS)
def test_without_an_order_it_is_the_declared_one(pool, ask, name):
    assert rows_of(ask, name) == rows_of(ask, name, f"order={LISTS[name].default_order}")


def pages(ask, address):
    rows = []
    while address:
        answer = ask(address)
        key = next(iter(answer))
        rows.append(answer[key])
        address = answer["next"]
    return rows


@pytest.mark.parametrize("name", LISTS)
def test_pages_join_without_gap_or_double(pool, ask, name):
    for order in (f"{sign}{order}" for order in LISTS[name].orders for sign in ("", "-")):
        found = pages(ask, f"{ADDRESSES[name]}?limit=3&order={order}")
        assert all(len(page) == 3 for page in found[:-1])
        assert [row for page in found for row in page] == rows_of(ask, name, f"order={order}")


def test_the_next_page_keeps_the_filters_and_the_order(pool, ask):
    address = f"{ADDRESSES['blocks']}?raw_type=BIAS&raw_type=DARK&order=ab_name&limit=2"
    found = [row for page in pages(ask, address) for row in page]
    assert found == rows_of(ask, "blocks", "raw_type=BIAS&raw_type=DARK&order=ab_name")
    assert len(found) > 4


def test_empty_parameters_of_a_form_ask_for_nothing(pool, ask):
    address = f"{ADDRESSES['blocks']}?instrument=&night=&from=&to=&score=&order=&limit=&cursor="
    assert ask(address) == ask(ADDRESSES["blocks"])


def test_an_edge_is_inside(pool, ask):
    row = rows_of(ask, "blocks")[2]
    mjd = row["mjd_obs"]
    assert row in rows_of(ask, "blocks", f"from={mjd!r}&to={mjd!r}")


def test_mjd_and_date_say_the_same(pool, ask):
    for row in rows_of(ask, "blocks"):
        said = dt.datetime.fromisoformat(row["date_obs"]).replace(tzinfo=dt.UTC)
        assert datetime_to_mjd(said) == pytest.approx(row["mjd_obs"], abs=1e-8)


def test_a_page_keeps_its_place_while_rows_arrive_and_go(pool, ask):
    address = f"{ADDRESSES['blocks']}?order=mjd_obs&limit=3"
    first = ask(address)
    seen = [row["ab_name"] for row in first["blocks"]]
    rest = [row["ab_name"] for row in rows_of(ask, "blocks", "order=mjd_obs")][3:]
    last = AssociationBlock.objects.get(ab_name=seen[-1])
    # One before the place, one of the same instant behind it, one at the end; one seen is gone.
    copied(last, ab_name="before", group_key="before", mjd_obs=last.mjd_obs - 1)
    copied(last, ab_name="same", group_key="same")
    copied(last, ab_name="after", group_key="after", mjd_obs=last.mjd_obs + 10)
    AssociationBlock.objects.filter(instrument__name="UVES").update(mjd_obs=1.0)
    found = [row["ab_name"] for page in pages(ask, first["next"]) for row in page]
    assert found == ["same", *rest, "after"]


def test_where_a_page_ended_may_go(pool, ask):
    first = ask(f"{ADDRESSES['frames']}?order=mjd_obs&limit=9")
    rest = rows_of(ask, "frames", "order=mjd_obs")[9:]
    BlockFrame.objects.filter(raw_file=first["frames"][-1]["id"]).delete()
    RawFile.objects.filter(pk=first["frames"][-1]["id"]).delete()
    found = [row for page in pages(ask, first["next"]) for row in page]
    assert [row["id"] for row in found] == [row["id"] for row in rest]


WRONG = [
    ("limit=0", "limit", "from 1 to 1000"),
    ("limit=1001", "limit", "from 1 to 1000"),
    ("limit=ten", "limit", "from 1 to 1000"),
    (f"limit={'9' * 5000}", "limit", "from 1 to 1000"),
    ("limit=2&limit=3", "limit", "once"),
    ("cursor=a&cursor=b", "cursor", "once"),
    ("order=size", "order", "night, -night, mjd_obs, -mjd_obs"),
    ("order=--mjd_obs", "order", "-mjd_obs"),
    ("order=mjd_obs&order=night", "order", "once"),
    ("score=red", "score", "Known are OK, NOK, grey."),
    ("score=OK&score=red", "score", "Known are OK, NOK, grey."),
    ("certification=REOPENED", "certification", "AUTO, ACCEPTED, REJECTED, open"),
    ("process_status=DONE", "process_status", "SUCCESSFUL"),
    ("is_degraded=1", "is_degraded", "true, false"),
    ("instrument=HST", "instrument", "CCDCAM, HCM, MUSE, UVES"),
    ("raw_type=BAIS", "raw_type", "BIAS, "),
    ("night=tomorrow", "night", "2015-02-26"),
    ("night=2015-02-30", "night", "2015-02-26"),
    ("from=yesterday", "from", "2015-02-27"),
    ("from=2&from=3", "from", "once"),
    ("from=2015-02-28&to=2015-02-27", "from", "Exchange"),
    ("cursor=-mjd_obs~1~1", "cursor", "as it is"),
    ("ab_name=x", "ab_name", "instrument, night, from, to"),
    *[
        (f"order=-mjd_obs&cursor={text}", "cursor", "as it is")
        for text in (
            "x", "~", "-mjd_obs~", "-mjd_obs~~", "-mjd_obs~nan~1", "-mjd_obs~inf~1", "-mjd_obs~1",
            "-mjd_obs~1~-1", "-mjd_obs~1~1.5", f"-mjd_obs~1~{2**63}", f"-mjd_obs~1~{'9' * 5000}",
            "mjd_obs~1~1", "-night~2026-03-01~1", "-size~1~1",
        )
    ],
    ("order=night&cursor=night~soon~1", "cursor", "as it is"),
    ("order=changed_at&cursor=changed_at~2026-03-01T00:00:00~1", "cursor", "as it is"),
    ("order=changed_at&cursor=changed_at~0001-01-01T00:00:00%2B23:59~1", "cursor", "as it is"),
]  # fmt: skip


def test_a_wrong_question_is_told_what_is_known(pool, client, vera):
    client.force_login(vera)
    for query, where, hint in WRONG:
        problem = assert_problem(client.get(f"{ADDRESSES['blocks']}?{query}"), 400, where)
        assert hint in problem["hint"], query


def test_an_open_word_that_nothing_has_leaves_nothing(pool, ask):
    assert rows_of(ask, "blocks", "setup=nothing&recipe=%F0%9F%94%AD") == []


def test_a_type_that_only_the_rules_know_may_be_asked_for(pool, ask):
    RawFile.objects.filter(name="science.fits").update(raw_type="OF_THE_RULES")
    AssociationBlock.objects.filter(instrument__name="UVES").update(raw_type="OF_THE_RULES")
    assert len(rows_of(ask, "frames", "raw_type=OF_THE_RULES")) == 1
    assert len(rows_of(ask, "blocks", "raw_type=OF_THE_RULES")) == 1


def test_an_empty_collection_is_an_empty_list(ask, instruments):
    for name in ("blocks", "nights", "scores", "certifications", "events", "frames", "products"):
        assert ask(ADDRESSES[name]) == {name: [], "next": None}


def test_a_time_far_away_is_no_failure(pool, ask):
    for name, one in LISTS.items():
        if "from" in {asked.name for asked in one.parameters}:
            for query in ("to=9999-12-31", "from=0001-01-01", "from=0001-01-01T00:00:00%2B23:59"):
                assert rows_of(ask, name, query) == rows_of(ask, name), (name, query)
            assert rows_of(ask, name, "from=9999-12-31T23:59:59.999999") == []
            assert rows_of(ask, name, "to=0001-01-01") == []
