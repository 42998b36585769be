"""The AB monitor: what each state looks like, counters that add up, an answer that is not repeated."""

import pytest

from pipelines.models import AssociationBlock, Attempt, RawFile
from qcweb.certification.models import Certification, Decision
from trending.models import BlockScore

NIGHT = "/nights/CCDCAM/2026-03-01/"


def rows(page):
    return {
        row.one("th").text: row
        for row in page.one("table", css="nights").one("tbody").all("tr")
        if "data-row" in row.attributes
    }


def cell(row, css):
    return row.one("td", css=css)


def row_of(page, block):
    return next(row for row in rows(page).values() if row.attributes["id"] == f"row-{block.pk}")


def counts(page):
    return {
        count.attributes["href"].removeprefix("?show="): int(count.one("b").text)
        for count in page.all("a", css="count")
    }


# State: class, shape and word of the process; the same of the score; the word of certification.
LOOKS = {
    "green": (("st-ok", "ok", "OK"), ("st-ok", "ok", "OK 0/6"), "AUTO"),
    "red": (("st-ok", "ok", "OK"), ("st-nok", "nok", "1/6 NOK"), "review"),
    "grey": (("st-ok", "ok", "OK"), ("st-grey", "grey", "not scored"), "review"),
    "failed": (("st-failed", "failed", "NOK failed"), None, "review"),
    "blocked": (("st-blocked", "blocked", "blocked"), None, "–"),
    "degraded": (("st-incomplete", "warn", "OK, degraded"), ("st-ok", "ok", "OK 0/6"), "review"),
    "incomplete": (("st-created", "created", "created"), None, "review"),
}


@pytest.mark.parametrize("state", LOOKS)
def test_a_state_is_colour_shape_and_word(states, see, state):
    process, score, certification = LOOKS[state]
    row = row_of(see(NIGHT), states[state])
    status = cell(row, "c-status").one(css="st")
    assert (process[0] in status.classes, status.glyphs, status.text) == (
        True, [process[1]], process[2],
    )  # fmt: skip
    if score is None:
        assert (cell(row, "c-score").text, cell(row, "c-score").glyphs) == ("–", [])
    else:
        shown = cell(row, "c-score").one(css="st")
        assert (score[0] in shown.classes, shown.glyphs, shown.text) == (True, [score[1]], score[2])
    assert cell(row, "c-cert").text.startswith(certification)


def test_what_is_red_fills_its_row_and_what_waits_for_a_person_is_marked(states, see):
    page = see(NIGHT)
    css = {state: row_of(page, block).classes for state, block in states.items()}
    assert [state for state in css if "is-nok" in css[state]] == ["red"]
    assert [state for state in css if "is-failed" in css[state]] == ["failed"]
    todo = {one for one in states if "data-todo" in row_of(page, states[one]).attributes}
    assert todo == {"red", "grey", "failed", "degraded", "incomplete"}


def test_an_incomplete_block_says_what_is_missing(states, see):
    row = row_of(see(NIGHT), states["incomplete"])
    compl = cell(row, "c-compl").one(css="st")
    assert ("st-incomplete" in compl.classes, compl.glyphs, compl.text) == (
        True, ["warn"], "incompl.",
    )  # fmt: skip
    assert "2 of 3" in cell(row, "c-cert").text


def test_a_failed_block_says_its_cause_and_who_waits_for_it(states, see):
    page = see(NIGHT)
    cause = page.one("tr", css="cause")
    assert "truncated" in cause.text
    assert "1 block waits for it" in cause.text
    index = row_of(page, states["failed"]).one("th").text
    assert row_of(page, states["blocked"]).attributes["data-folds"] == index
    comment = cell(row_of(page, states["failed"]), "c-cert").one("span", css="cmt")
    assert comment.attributes["title"].startswith(
        "CCDCAM.2026-03-02T09:15:11.717.fits is truncated"
    )


def test_the_counters_add_up_to_the_rows_and_to_the_day_result(states, see):
    page = see(NIGHT)
    numbers = counts(page)
    n = len(rows(page))
    assert numbers["all"] == n == AssociationBlock.objects.count() == 8
    process = ("successful", "failed", "blocked", "running", "queued", "created")
    assert sum(numbers[key] for key in process) == n
    assert numbers["complete"] + numbers["incomplete"] == n
    scored = sum(numbers[key] for key in ("green", "red", "grey"))
    assert scored == BlockScore.objects.count() == 5
    decided = ("review", "auto", "accepted", "rejected")
    assert [numbers[key] for key in decided] == [5, 2, 0, 0]
    scores = list(BlockScore.objects.values_list("n_nok", "n_scored"))
    assert (
        page.one(css="big").text == f"{sum(n for n, _ in scores)}/{sum(N for _, N in scores)} NOK"
    )


def test_each_counter_filters_to_as_many_rows_as_it_says(states, see):
    for key, n in counts(see(NIGHT)).items():
        page = see(f"{NIGHT}?show={key}")
        assert len(rows(page)) == n, key
        assert page.one("a", css="count", aria_current="true").attributes["href"].endswith(key)
        assert counts(page) == counts(see(NIGHT)), "a filter does not change the counters"


def test_a_night_with_nothing_scored_is_grey(states, see):
    BlockScore.objects.all().delete()
    result = see(NIGHT).one(css="big")
    assert ("st-grey" in result.classes, result.glyphs, result.text) == (
        True, ["grey"], "not scored",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("index", lambda row: row.one("th").text),
        ("raw_type", lambda row: cell(row, "c-type").text),
        ("setup", lambda row: cell(row, "c-setup").text),
        ("recipe", lambda row: cell(row, "c-recipe").text),
        ("status", lambda row: cell(row, "c-status").text),
    ],
)
def test_a_column_sorts_both_ways(states, see, sort, key):
    up = [key(row) for row in rows(see(f"{NIGHT}?sort={sort}")).values()]
    down = [key(row) for row in rows(see(f"{NIGHT}?sort=-{sort}")).values()]
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert len(set(up)) > 1


def test_the_worklist_has_what_waits_for_a_person_the_reddest_first(states, see):
    page = see("/worklist/")
    why = [row.one("th").text for row in page.all("table")[0].one("tbody").all("tr")]
    assert why == ["red", "failed", "degraded", "incomplete", "not scored"]
    assert page.one("title").text.startswith("5 to review")
    assert {badge.text for badge in page.all(css="badge")} == {"5"}


def test_a_night_of_the_list_sums_up_its_blocks(states, see):
    cells = [one.text for one in see("/nights/").one("table").one("tbody").one("tr").all("td")]
    assert cells[:2] == ["2026-03-01", "7/8"]
    assert cells[3] == "1 failed 1 waiting 1 incompl."
    assert cells[4:] == ["1/22 NOK", "5"]


def refresh(client, etag=""):
    headers = {"HX-Request": "true"} | ({"If-None-Match": etag} if etag else {})
    return client.get(NIGHT, headers=headers)


def test_an_unchanged_night_is_answered_with_304(states, client, vera):
    client.force_login(vera)
    first = refresh(client)
    again = refresh(client, first["ETag"])
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize("what", ["block", "score", "decision", "frame"])
def test_a_changed_night_is_sent_anew(states, client, vera, quinn, what):
    client.force_login(vera)
    etag = refresh(client)["ETag"]
    block = states["red"]
    if what == "block":
        AssociationBlock.objects.filter(pk=block.pk).update(changed_at="2030-01-01T00:00:00Z")
    elif what == "score":
        score = BlockScore.objects.get(block=block)
        BlockScore.objects.filter(pk=score.pk).update(is_current=False)
        score.pk = None
        score.save()
    elif what == "decision":
        Certification.objects.create(
            block=block, number=1, decision=Decision.ACCEPTED, comment="seen",
            decided_by=quinn, decided_at="2026-03-03T00:00:00Z",
        )  # fmt: skip
    else:
        frame = RawFile.objects.last()
        frame.pk, frame.path, frame.header_digest = None, "/late.fits", "0" * 64
        frame.save()
    assert refresh(client, etag).status_code == 200


def test_the_page_of_one_reader_is_not_taken_for_anothers(states, client, vera, quinn):
    client.force_login(vera)
    etag = refresh(client)["ETag"]
    client.force_login(quinn)
    assert refresh(client, etag).status_code == 200


def test_a_page_that_is_opened_is_always_new(states, client, vera):
    client.force_login(vera)
    etag = refresh(client)["ETag"]
    answer = client.get(NIGHT, headers={"If-None-Match": etag})
    assert (answer.status_code, "ETag" in answer) == (200, False)


def test_how_long_it_took_is_that_of_the_recipe_and_of_its_values(night, see):
    Attempt.objects.update(duration_s=3.26, qc_duration_s=0.04)
    row = see("/nights/CCDCAM/2026-03-01/").one("tr", id=f"row-{night['green'].pk}")
    assert row.one("td", css="c-tx").text == "3.3+0.04"
