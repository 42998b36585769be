"""The report of a night and of a month: the numbers of the API, and what was said by whom."""

import pytest
from django.utils import timezone

from pipelines.models import Attempt
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from qcweb.notes.models import Comment, Subject

NIGHT = "/nights/CCDCAM/2026-03-01/"
REPORTS = (f"{NIGHT}report/", "/nights/CCDCAM/months/2026-03/")
KEYS = {
    "Processing": "processing", "Completeness": "completeness", "Score": "score",
    "Certification": "certification",
}  # fmt: skip


@pytest.fixture
def decided(states, quinn):
    decide(
        states["red"], Decision.ACCEPTED, quinn, "the amplifier was warm",
        seen=0, at=timezone.now(),
    )  # fmt: skip
    decide(states["failed"], Decision.REJECTED, quinn, "cut short", seen=0, at=timezone.now())
    return states


@pytest.mark.parametrize("address", REPORTS)
def test_its_numbers_are_those_of_the_api(decided, see, client, address):
    page = see(address)
    told = client.get(f"/api/v1{NIGHT}").json()
    for axis in page.all("div", css="axis", role="group"):
        numbers = [int(one.one("b").text) for one in axis.all("span", css="count")]
        assert numbers == list(told[KEYS[axis.attributes["aria-label"]]].values())
    assert page.one(css="big").text == f"{told['n_nok']}/{told['n_scored']} NOK"
    facts = page.one("dl", css="facts")
    runs = Attempt.objects.filter(block__instrument__name="CCDCAM")
    assert facts.all("dd")[0].text == str(runs.count())
    assert facts.all("dd")[3].text == f"{told['duration_s']:.1f} s"


def test_the_nights_of_a_month_are_those_of_the_api(decided, see, client):
    cells = [one.text for one in see(REPORTS[1]).all("table")[1].one("tbody").one("tr").all("td")]
    told = client.get("/api/v1/nights/?instrument=CCDCAM").json()["nights"][0]
    assert cells[:2] == [told["night"], f"{told['n_at_rest']}/{told['n_blocks']}"]
    assert cells[4:] == [f"{told['n_nok']}/{told['n_scored']} NOK", str(told["n_to_review"])]


@pytest.mark.parametrize("address", REPORTS)
def test_it_says_what_was_decided_by_whom_and_why(decided, see, address):
    page = see(address)
    red = page.one("section", aria_label="Outside their limits").one("tbody").one("tr")
    assert "accepted" in red.text
    assert "quinn, " in red.text
    assert "the amplifier was warm" in red.text
    failed = page.one("section", aria_label="Failed").one("tbody").one("tr")
    assert "rejected" in failed.text
    assert "cut short" in failed.text
    assert "2 of 3" in page.one("section", aria_label="Incomplete").text
    said = page.one("section", aria_labelledby="said-t")
    assert "CAL002 accepted : the amplifier was warm quinn" in said.text


@pytest.mark.parametrize("address", REPORTS)
def test_it_tells_what_people_wrote_and_not_what_they_took_back(states, see, quinn, address):
    at = timezone.now()
    known = {"instrument": states["red"].instrument, "author": quinn, "written_at": at}
    night = states["red"].night
    Comment.objects.create(subject=Subject.NIGHT, night=night, text="monthly darks", **known)
    Comment.objects.create(subject=Subject.BLOCK, block=states["red"], text="warm", **known)
    Comment.objects.create(
        subject=Subject.NIGHT, night=night, text="a mistake", withdrawn_at=at, withdrawn_by=quinn,
        **known,
    )  # fmt: skip
    said = see(address).one("section", aria_labelledby="said-t").text
    assert "2026-03-01 : monthly darks quinn" in said
    assert f"{states['red'].ab_name} : warm quinn" in said
    assert "a mistake" not in said


def test_it_counts_decisions_and_names_what_is_open(decided, see):
    page = see(REPORTS[0])
    table = page.one("section", aria_labelledby="cert-t").one("tbody")
    assert [[one.text for one in row.all("td")] for row in table.all("tr")] == [
        ["2", "25.0 %"], ["1", "12.5 %"], ["1", "12.5 %"], ["3", "37.5 %"], ["0", "0.0 %"],
    ]  # fmt: skip
    still = page.one("section", aria_labelledby="open-t").one("tbody")
    assert {row.all("td")[1].text for row in still.all("tr")} == {
        "not scored", "degraded", "incomplete", "blocked",
    }  # fmt: skip


def test_a_month_without_data_says_so(states, see):
    assert "Nothing to report" in see("/nights/CCDCAM/months/2015-02/").text


@pytest.mark.parametrize("month", ["2026-13", "2026-3", "soon", "1800-01"])
def test_what_is_no_month_is_refused(states, see, month):
    see(f"/nights/CCDCAM/months/{month}/", status=404)
