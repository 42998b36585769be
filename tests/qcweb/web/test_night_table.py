"""The night's table by its address, drawn once for all readers, and in few queries."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipelines.models import AssociationBlock, Attempt, Chore, Hold, HoldScope, RawFile
from qcweb.web.night_columns import KEYS
from tests.qcweb.web.html import parse
from tests.qcweb.web.test_night import NIGHT, refresh, rows
from tests.qcweb.web.test_query_counts import multiply
from trending.models import BlockScore

MOST_QUERIES = 15


@pytest.fixture
def sweep(db):
    return Chore.objects.create(name="sweep", started_at=timezone.now(), said="nothing to do")


def heads(page):
    return [one.text for one in page.one("table", css="nights").one("thead").all("tr")[1].all("th")]


def test_all_columns_are_shown_each_with_a_tooltip(states, see):
    page = see(NIGHT)
    assert heads(page) == [
        "Index", "AB name", "Raw type", "Setup", "Recipe", "Compl.", "AB log", "BQS", "AB status",
        "PLOG", "T_EXEC", "QC report", "Score", "Certif",
    ]  # fmt: skip
    row = page.one("table", css="nights").one("thead").all("tr")[1]
    titled = [one for tag in ("a", "span") for one in row.all(tag) if "title" in one.attributes]
    assert len(titled) == len(KEYS)


def test_columns_are_chosen_in_the_address_and_keep_their_axes(states, see):
    page = see(f"{NIGHT}?columns=score,ab_name,status")
    assert heads(page) == ["Index", "AB name", "AB status", "Score"]
    first = page.one("table", css="nights").one("thead").all("tr")[0]
    assert [(one.text, one.attributes["colspan"]) for one in first.all("th")] == [
        ("Block", "2"), ("Process", "1"), ("Quality", "1"),
    ]  # fmt: skip
    assert {len(row.all("td")) for row in rows(page).values()} == {3}
    assert page.one("tr", css="cause").one("td").attributes["colspan"] == "4"


def test_what_is_asked_stays_in_every_link(states, see):
    page = see(f"{NIGHT}?show=successful&sort=-score&q=bias&columns=index,score,certif")
    asked = {one.attributes["href"] for one in page.all("a") if "data-asks" in one.attributes}
    more = "q=bias&columns=index,score,certif"
    assert f"?show=failed&sort=-score&{more}" in asked
    assert f"?show=successful&sort=score&{more}" in asked
    assert f"?show=successful&{more}" in asked
    assert "?show=successful&sort=-score&q=bias" in asked


def test_the_form_without_a_script_ends_at_the_short_address(states, client, vera):
    client.force_login(vera)
    answer = client.get(f"{NIGHT}?show=red&columns=ab_name&columns=score")
    assert (answer.status_code, answer["Location"]) == (
        302, f"{NIGHT}?show=red&columns=index,ab_name,score",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "known"),
    [
        ("columns=index,colour", "known are index, ab_name, raw_type"),
        ("sort=colour", "known are index, ab_name, raw_type"),
        ("sort=plog", "known are index"),
        ("show=colour", "known are all, successful"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(states, client, vera, query, known):
    client.force_login(vera)
    answer = client.get(f"{NIGHT}?{query}")
    assert answer.status_code == 400
    assert known in answer.content.decode().lower()


def test_the_search_works_on_the_server_and_hides_the_others(states, see):
    page = see(f"{NIGHT}?q=Dark+SLOW")
    shown = {name for name, row in rows(page).items() if "hidden" not in row.attributes}
    darks = {name for name, row in rows(page).items() if "dark" in row.attributes["data-text"]}
    assert shown == darks
    assert len(rows(page)) == 8
    assert page.one("span", data_shown="").text == str(len(darks))
    assert page.one("input", data_search="").attributes["value"] == "Dark SLOW"


def test_words_of_an_address_are_never_html(states, client, vera):
    client.force_login(vera)
    AssociationBlock.objects.filter(pk=states["red"].pk).update(setup='<b onclick="x">&')
    text = client.get(f"{NIGHT}?q=%22%3E%3Cscript%3Ealert(1)").content.decode()
    assert "<script>alert" not in text
    assert "<b onclick" not in text
    assert "&lt;b onclick=&quot;x&quot;&gt;&amp;" in text


def test_blocks_beyond_the_thousandth_stay_in_order(states, see):
    multiply([states["green"]], 1000)
    names = list(rows(see(NIGHT)))
    assert len(names) == 1008
    assert names[-2:] == ["CAL1007", "CAL1008"]
    assert next(iter(rows(see(f"{NIGHT}?sort=-index")))) == "CAL1008"


@pytest.mark.parametrize("n", [5, 500])
@pytest.mark.parametrize("is_open", [False, True], ids=["at rest", "at work"])
def test_a_night_of_any_size_takes_few_queries(states, client, quinn, n, is_open):
    multiply(list(AssociationBlock.objects.all()), n // 8)
    if is_open:
        blocks = AssociationBlock.objects.filter(completeness="COMPLETE")
        blocks.update(process_status="QUEUED", next_step="PROCESS", is_degraded=False)
    client.force_login(quinn)
    for address in (NIGHT, f"{NIGHT}?sort=-score&q=bias&columns=index,score"):
        with CaptureQueriesContext(connection) as drawn:
            assert client.get(address).status_code == 200
        assert len(drawn) <= MOST_QUERIES, [one["sql"][:90] for one in drawn]
    with CaptureQueriesContext(connection) as kept:
        client.get(NIGHT)
    assert len(kept) <= len(drawn) - 3


def test_an_unchanged_poll_asks_little_and_draws_nothing(states, client, quinn, monkeypatch):
    multiply(list(AssociationBlock.objects.all()), 20)
    client.force_login(quinn)
    etag = refresh(client)["ETag"]
    monkeypatch.setattr("qcweb.web.night_page._draw", lambda *_: pytest.fail("drawn again"))
    with CaptureQueriesContext(connection) as queries:
        assert refresh(client, etag).status_code == 304
    assert len(queries) <= 8
    assert client.get(NIGHT).status_code == 200, "the page itself takes what was drawn before"


def _change(what, states):
    blocks = AssociationBlock.objects.filter(pk=states["red"].pk)
    now = timezone.now()
    changes = {
        "its status": lambda: blocks.update(process_status="CREATED"),
        "a mark": lambda: blocks.update(is_withdrawn=True),
        "its turn": lambda: blocks.update(needs_person=False),
        "its place": lambda: blocks.update(cascade_level=7),
        "its next try": lambda: blocks.update(next_try_at=now),
        "the time it took": lambda: Attempt.objects.filter(block=states["red"]).update(
            qc_duration_s=99
        ),
        "a score removed": lambda: BlockScore.objects.filter(block=states["red"]).update(n_nok=0),
        "a hold": lambda: Hold.objects.create(scope=HoldScope.POOL, subject=0, held_at=now),
        "a hidden frame": lambda: RawFile.objects.filter(pk=RawFile.objects.first().pk).update(
            hidden_at=now, hidden_reason="seen"
        ),
        "the sweep": lambda: Chore.objects.update(started_at=now - dt.timedelta(days=1)),
        "a block gone": lambda: multiply([states["green"]], 1),
    }  # fmt: skip
    return changes[what]()


@pytest.mark.parametrize(
    "what",
    ["its status", "a mark", "its turn", "its place", "its next try", "the time it took",
     "a score removed", "a hold", "a hidden frame", "the sweep", "a block gone"],
)  # fmt: skip
def test_every_change_that_shows_is_seen(states, sweep, client, vera, what):
    client.force_login(vera)
    etag = refresh(client)["ETag"]
    assert refresh(client, etag).status_code == 304
    _change(what, states)
    assert refresh(client, etag).status_code == 200


def test_nothing_of_a_person_is_in_the_shared_part(states, client, quinn, vera):
    pages = {}
    for who in (quinn, vera):
        client.force_login(who)
        who.first_name = f"Dame {who.username}"
        who.save()
        pages[who] = refresh(client).content.decode()
        assert "csrf" not in pages[who].lower()
        assert "Dame" not in pages[who]
        page = client.get(NIGHT).content.decode()
        assert f"Dame {who.username}" in page
    assert "Run again" in (client.force_login(quinn), client.get(NIGHT).content.decode())[1]
    assert "Run again" not in (client.force_login(vera), client.get(NIGHT).content.decode())[1]


def test_a_refresh_has_its_title_and_its_icon(states, client, vera):
    client.force_login(vera)
    page = parse(refresh(client))
    assert page.one("title").text == "1 NOK, CCDCAM 2026-03-01"
    assert page.one("link", rel="icon").attributes["href"].endswith("nok.svg")
    assert page.one("div", id="live").attributes["hx-get"] == f"{NIGHT}?show=all"


def test_a_stopped_processing_is_said(states, sweep, see):
    assert "processing has stopped" not in see(NIGHT).text
    Chore.objects.update(started_at=timezone.now() - dt.timedelta(hours=1))
    note = see(NIGHT).one("div", role="status")
    assert note.text.startswith("The processing has stopped. Nobody has looked for work since")
    assert note.one("time").attributes["datetime"]
