"""Quality events: declared, shown, followed by new references, taken back."""

import pytest
from django.urls import reverse
from django.utils import timezone

from pipelines.models import Instrument
from tests.qcweb.web.conftest import FIRST_DAY, store_history
from tests.qcweb.web.html import parse
from trending.models import QualityEvent, ReferenceValue, ScoreRule
from trending.services.rescoring import rescore_due

EVIL = "<script>alert(1)</script>"
EVENT = {
    "instrument": "CCDCAM", "title": "New amplifier", "happened_at": "2026-01-05 11:00",
    "kind": "intervention", "table": "", "parameter": "", "begins_epoch": "on", "description": "",
}  # fmt: skip
JUST_BEFORE_THE_STEP = FIRST_DAY + 45 - 1 / 24


def declare(client, **changes):
    return then_worked(client.post("/events/", EVENT | changes))


def then_worked(answer):
    """Let a worker do what was asked for on the page."""
    rescore_due(timezone.now())
    return answer


def the_event():
    return QualityEvent.objects.get()


def open_event(client):
    answer = client.get(reverse("event", args=[the_event().pk]))
    assert answer.status_code == 200
    return parse(answer)


def adopt(client, *series, reason="ten good values"):
    return then_worked(client.post(
        reverse("event-adopt", args=[the_event().pk]),
        {"chosen": [one.pk for one in series], "reason": reason}, follow=True,
    ))  # fmt: skip


def withdraw(client, reason="it was the lamp"):
    address = reverse("event-withdraw", args=[the_event().pk])
    return then_worked(client.post(address, {"reason": reason}, follow=True))


def test_without_events_the_page_says_what_they_are_for(history):
    page = parse(history.client.get("/events/"))
    assert "No events yet" in page.one(css="empty").text
    assert "instrument" in page.one("label", **{"for": "id_instrument"}).text.lower()


def test_without_instruments_there_is_a_page(db, see):
    page = see("/events/")
    assert "QC scientists declare events." in page.text
    assert page.all("form", action="/events/#declare") == []


def test_an_event_is_read_as_ut_and_what_came_after_is_scored_again(history):
    assert history.reds("struct_y") == 15
    answer = declare(history.client)
    event = the_event()
    assert answer["Location"] == reverse("event", args=[event.pk])
    assert event.mjd == pytest.approx(JUST_BEFORE_THE_STEP, abs=1e-9)
    assert (event.author, event.begins_epoch, event.table, event.parameter) == (
        "quinn", True, None, None,
    )  # fmt: skip
    assert history.reds("struct_y") == 0
    page = parse(history.client.get("/events/"))
    assert "2026-01-05 11:00:00" in page.one("tbody").text
    value = parse(history.client.get(history.address("struct_y", 50)))
    assert "since New amplifier" in value.one("section", aria_labelledby="why").text

    assert "taken back" in withdraw(history.client).content.decode()
    assert history.reds("struct_y") == 15
    page = open_event(history.client)
    assert "it was the lamp" in page.one(css="note-warn").text
    assert page.all("button", css="btn-go") == []
    assert "taken back already" in withdraw(history.client).content.decode()


def test_an_offset_in_the_time_is_understood(history):
    declare(history.client, happened_at="2026-01-05T13:00:00+02:00")
    assert the_event().mjd == pytest.approx(JUST_BEFORE_THE_STEP, abs=1e-9)


def test_an_event_that_begins_no_epoch_changes_no_score_and_proposes_nothing(history):
    fields = {name: value for name, value in EVENT.items() if name != "begins_epoch"}
    history.client.post("/events/", fields)
    assert history.reds("struct_y") == 15
    assert "no epoch begins" in open_event(history.client).text
    assert open_event(history.client).all("form", data_choose="") == []


def test_an_event_may_be_about_one_parameter(history):
    declare(history.client, table="ccdcam_bias", parameter="ron_raw")
    parameter = the_event().parameter
    assert parameter is not None
    assert parameter.name == "ron_raw"
    assert history.reds("struct_y") == 15
    rows = open_event(history.client).one("form", data_choose="").one("tbody").all("tr")
    assert ["ron_raw" in row.text for row in rows] == [True]


BAD = [
    ("title", "", "required"),
    ("title", "x" * 201, "at most 200 characters"),
    ("happened_at", "noon", "valid date/time"),
    ("happened_at", "0007-01-01", "from 1980 to 2200"),
    ("happened_at", "9999-12-31", "from 1980 to 2200"),
    ("instrument", "NONE", "valid choice"),
    ("kind", "party", "valid choice"),
    ("table", "uves_bias", "is no table of CCDCAM"),
    ("parameter", "ron_raw", "Choose its table too"),
]


@pytest.mark.parametrize(("name", "value", "says"), BAD, ids=lambda one: str(one)[:20])
def test_a_bad_entry_is_told_beside_its_field_and_the_rest_stays(history, name, value, says):
    answer = declare(history.client, description=f"kept {EVIL}", **{name: value})
    assert answer.status_code == 400
    page = parse(answer)
    assert says in page.one(id=f"id_{name}_error").text
    assert page.one("textarea", id="id_description").text == f"kept {EVIL}"
    assert not QualityEvent.objects.exists()


def test_a_parameter_of_another_table_is_none_of_this_one(history):
    answer = declare(history.client, table="ccdcam_bias", parameter="dark_current")
    said = parse(answer).one(id="id_parameter_error").text
    assert "ccdcam_bias has no dark_current; known are" in said
    assert answer.status_code == 400


def test_a_title_of_blanks_is_none(history):
    assert declare(history.client, title="   ").status_code == 400


def test_markup_in_an_event_stays_text(history):
    declare(history.client, title=EVIL, description=f"{EVIL}\n{'long ' * 900}")
    for address in ("/events/", f"/events/{the_event().pk}/", history.address("struct_y", 50)):
        content = history.client.get(address).content.decode()
        assert EVIL not in content
        assert "&lt;script&gt;alert(1)" in content
    withdraw(history.client, EVIL)
    assert EVIL not in history.client.get(f"/events/{the_event().pk}/").content.decode()


def test_an_unknown_event_is_a_problem_with_a_hint(history):
    for address in ("/events/4711/", "/events/99999999999999999999/"):
        answer = history.client.get(address, headers={"accept": "application/json"})
        assert answer.status_code == 404
        assert answer.json()["hint"] == "See the list of events."
    assert history.client.post("/events/4711/adopt/", {}).status_code == 404
    assert history.client.post("/events/4711/withdraw/", {}).status_code == 404


def test_references_are_proposed_for_what_has_a_rule_with_what_was_before(history):
    declare(history.client)
    rows = open_event(history.client).one("form", data_choose="").one("tbody").all("tr")
    names = {row.one("th").text.split()[0]: row for row in rows}
    assert "struct_y" in names
    assert "overscan_level" not in names
    before, now = (float(one.text) for one in names["struct_y"].all("td", css="num")[:2])
    assert before == pytest.approx(1.0, abs=0.05)
    assert now == pytest.approx(2.0, abs=0.05)


def test_too_few_values_after_it_propose_nothing(history):
    declare(history.client, happened_at="2026-01-18 12:00")
    assert "three good values" in open_event(history.client).text


def test_adopted_references_hold_from_the_event_on_and_end_with_it(history):
    ScoreRule.objects.filter(parameter__name="struct_y").update(
        limits="OFF 0.5", average="REFERENCE", min_n=3
    )
    series = history.series("struct_y")
    ReferenceValue.objects.create(
        parameter=series.parameter, setup=dict(series.setup.values), detector="CHIP1", value=1.0,
        sigma=0.02, n=10, valid_from_mjd=FIRST_DAY - 1, author="quinn", reason="first light",
        recorded_at=history.score("struct_y", 1).recorded_at,
    )  # fmt: skip
    history.rescore()
    assert history.reds("struct_y") == 15
    declare(history.client)
    said = adopt(history.client, series, reason=f"steady since {EVIL}").content.decode()
    assert "References since this event: 1." in said
    assert EVIL not in said
    assert history.reds("struct_y") == 0
    old, new = ReferenceValue.objects.open().order_by("valid_from_mjd")
    assert old.value == 1.0
    assert old.valid_until_mjd == new.valid_from_mjd == the_event().mjd
    assert new.value == pytest.approx(2.0, abs=0.05)
    page = open_event(history.client)
    assert "struct_y" in page.one("section", aria_labelledby="re-t").text

    withdraw(history.client)
    (left,) = ReferenceValue.objects.open()
    assert (left.value, left.valid_until_mjd) == (1.0, None)
    assert history.reds("struct_y") == 15


def test_a_later_reference_keeps_its_time_when_an_earlier_event_is_taken_back(history):
    series = history.series("struct_y")
    for happened_at in ("2025-12-01 00:00", "2026-01-05 11:00"):
        declare(history.client, happened_at=happened_at)
        event = QualityEvent.objects.latest("pk")
        history.client.post(
            reverse("event-adopt", args=[event.pk]), {"chosen": [series.pk], "reason": "steady"}
        )
    first, last = QualityEvent.objects.order_by("mjd")
    history.client.post(reverse("event-withdraw", args=[first.pk]), {"reason": "no"})
    (left,) = ReferenceValue.objects.open()
    assert left.event == last
    assert (left.valid_from_mjd, left.valid_until_mjd) == (last.mjd, None)


def test_adopting_needs_a_choice_and_a_reason_and_keeps_it(history):
    declare(history.client)
    page = parse(adopt(history.client, reason="a long thought"))
    assert "Nothing was chosen" in page.one(css="note-nok").text
    assert page.one("input", id="reason").attributes["value"] == "a long thought"
    page = parse(adopt(history.client, history.series("struct_y"), reason=" "))
    assert "A reason is needed" in page.one(css="note-nok").text
    assert not ReferenceValue.objects.exists()


def test_a_reader_reads_and_declares_nothing(history, vera):
    declare(history.client)
    history.client.force_login(vera)
    page = open_event(history.client)
    assert page.all("button", css="btn-go") == []
    assert page.all("input", type="checkbox") == []
    for answer in (
        declare(history.client, title="another"),
        withdraw(history.client),
        adopt(history.client, history.series("struct_y")),
    ):
        assert answer.status_code == 403
    assert the_event().superseded_at is None


def test_an_instrument_without_tables_has_no_events(history):
    Instrument.objects.create(
        name="BARE", title="Bare", header_names=["BARE"], runner="native", pipeline="hcm",
        digest="-", loaded_at=history.score("struct_y", 1).recorded_at,
    )  # fmt: skip
    options = parse(history.client.get("/events/")).one("select", id="id_instrument").all("option")
    assert "BARE" not in [one.text for one in options]


def test_more_values_after_the_event_leave_the_page_as_long(history):
    declare(history.client)
    n = len(open_event(history.client).all("tr"))
    store_history(history.table, 10, 60)
    assert len(open_event(history.client).all("tr")) == n
