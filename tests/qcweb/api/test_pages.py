"""The API in a browser: the answer a program gets, with what may be asked and where to go on."""

import json

import pytest
from django.urls import reverse

from qcweb.api.pages import COLLECTIONS, pretty
from tests.qcweb.api.test_lists import ADDRESSES, LISTS
from tests.qcweb.web.conftest import store_history
from tests.qcweb.web.html import parse
from trending.models import QC1Table

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def see(pool, client, vera):
    client.force_login(vera)

    def opened(address, status=200):
        answer = client.get(address, headers=BROWSER)
        assert answer.status_code == status, address
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        return parse(answer)

    return opened


def shown(page):
    return json.loads(page.one("pre", css="json").text)


@pytest.mark.parametrize("name", LISTS)
def test_a_page_shows_what_a_program_gets(see, client, name):
    page = see(ADDRESSES[name])
    assert shown(page) == client.get(f"{ADDRESSES[name]}?limit=20").json()
    assert page.one("h2", id="an-t").text == f"GET {ADDRESSES[name]}?limit=20"


@pytest.mark.parametrize("name", LISTS)
def test_its_form_asks_for_what_is_declared(see, name):
    page = see(ADDRESSES[name])
    (form,) = [one for one in page.all("form") if one.attributes["action"] == ADDRESSES[name]]
    fields = [one.attributes["name"] for tag in ("input", "select") for one in form.all(tag)]
    declared = {one.name for one in LISTS[name].parameters}
    assert set(fields) == declared - {"cursor"}
    for one in LISTS[name].parameters:
        if one.known and one.name != "order":
            (select,) = [s for s in form.all("select") if s.attributes["name"] == one.name]
            assert [option.text for option in select.all("option")] == ["any", *one.known]


def test_its_form_keeps_what_was_asked_each_value_of_it(see):
    page = see(f"{ADDRESSES['blocks']}?raw_type=BIAS&raw_type=DARK&score=NOK&limit=5&from=61000")
    form = page.one("div", css="asked")
    values = [
        (one.attributes["name"], one.attributes["value"])
        for one in form.all("input")
        if one.attributes.get("value")
    ]
    assert values == [("from", "61000"), ("raw_type", "BIAS"), ("raw_type", "DARK"), ("limit", "5")]
    chosen = [one.text for one in form.all("option") if "selected" in one.attributes]
    assert chosen == ["NOK", "-night"]


def test_what_a_form_leaves_empty_is_not_asked(see, client):
    page = see(
        f"{ADDRESSES['blocks']}?instrument=&raw_type=BIAS&raw_type=&from=&order=-night&limit=3"
    )
    asked = f"{ADDRESSES['blocks']}?raw_type=BIAS&order=-night&limit=3"
    assert page.one("h2", id="an-t").text == f"GET {asked}"
    assert shown(page) == client.get(asked).json()


def test_a_page_leads_to_the_next_one_and_back_to_the_first(see):
    page = see(f"{ADDRESSES['frames']}?order=name&limit=4")
    following = next(one for one in page.all("a") if one.attributes.get("rel") == "next")
    later = see(following.attributes["href"])
    assert shown(later)["frames"][0]["name"] > shown(page)["frames"][-1]["name"]
    first = next(one for one in later.all("a") if one.text == "First page")
    assert shown(see(first.attributes["href"])) == shown(page)


def test_addresses_in_an_answer_are_links(see, pool):
    page = see(f"/api/v1/blocks/{pool['green'].ab_name}/")
    links = [one.attributes["href"] for one in page.one("pre", css="json").all("a")]
    assert f"/blocks/{pool['green'].ab_name}/" in links
    assert any(link.startswith("/api/v1/frames/") for link in links)
    assert any(link.startswith("/products/") for link in links)
    assert any(link.startswith("/api/v1/scores/?block=") for link in links)
    for link in set(links):
        if link.startswith("/api/"):
            see(link)


def test_a_page_leads_to_the_other_collections_and_formats(see):
    page = see("/api/v1/qc1/tables/ccdcam_bias/rows/")
    hrefs = [one.attributes.get("href", "") for one in page.all("a")]
    assert {reverse(name) for name in COLLECTIONS.values()} <= set(hrefs)
    formats = [(one.text, one.attributes["href"]) for one in page.one("span", css="seg").all("a")]
    assert [name for name, _ in formats] == [
        "Page", "JSON", "CSV", "ASCII", "VOTABLE", "FITS", "PARQUET",
    ]  # fmt: skip
    assert formats[1][1] == "/api/v1/qc1/tables/ccdcam_bias/rows/?limit=20&format=json"


def test_the_page_of_rows_shows_the_first_twenty(see, client):
    """The whole table may be long, and a program that asks without a limit gets it."""
    store_history(QC1Table.objects.get(name="ccdcam_bias"))
    rows = "/api/v1/qc1/tables/ccdcam_bias/rows/"
    assert len(shown(see(rows))["rows"]) == 20
    assert len(client.get(rows).json()["rows"]) > 60
    assert len(shown(see(f"{rows}?limit=30&format=html"))["rows"]) == 30


def test_the_first_page_documents_every_operation(see, client):
    page = see("/api/v1/")
    schema = client.get("/api/v1/schema/?format=json").json()
    summaries = [one.text for one in page.all("summary")]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            (line,) = [one for one in summaries if one.startswith(f"{method.upper()} {path} ")]
            assert operation["description"].partition("\n")[0] in line
    words = page.text
    for parameter in ("needs_person", "dpr_catg", "seen_attempt", "distance_days"):
        assert parameter in words


def test_only_who_may_post_sees_the_form_with_what_was_seen(see, pool, client, quinn):
    address = f"/api/v1/blocks/{pool['red'].ab_name}/certifications/"
    assert see(address).all("textarea") == []
    client.force_login(quinn)
    page = see(address)
    (area,) = page.all("textarea")
    assert json.loads(area.text) == {
        "decision": "ACCEPTED", "comment": "", "seen": 1, "seen_attempt": 1, "seen_result": 1,
    }  # fmt: skip
    (form,) = [one for one in page.all("form") if one.attributes["action"] == address]
    assert form.attributes["method"] == "post"
    assert {one.attributes["name"] for one in form.all("input")} == {"csrfmiddlewaretoken"}


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/api/v1/blocks/?score=red", 400, "Known are OK, NOK, grey."),
        ("/api/v1/blocks/nothing/", 404, "There is no block"),
        ("/api/v1/nothing/", 404, "nothing at this address"),
        ("/api/v1/blocks/?format=xml", 400, "Known are json, html."),
    ],
)
def test_a_person_is_told_of_a_mistake_on_a_page(see, client, address, status, words):
    if "format" in address:
        assert client.get(address, headers=BROWSER).status_code == status
        return
    assert words in see(address, status).text


def test_a_person_without_a_login_is_led_to_it(client, db):
    answer = client.get("/api/v1/blocks/?score=NOK", headers=BROWSER)
    page = parse(answer)
    assert answer.status_code == 401
    login = next(one for one in page.one("main").all("a") if one.text == "Log in")
    assert login.attributes["href"] == "/login/?next=/api/v1/blocks/%3Fscore%3DNOK"


def test_what_people_wrote_is_text_and_never_a_tag_or_a_link():
    evil = '<script>alert(1)</script> " "/api/v1/x/" &quot;/blocks/x/&quot; \\'
    text = pretty(
        {"comment": evil, evil: 1, "page": "//evil.example/blocks/x/", "ok": "/blocks/a b/"}
    )
    assert "<script" not in text
    assert "<a " not in text
    assert "&lt;script&gt;" in text
    assert pretty({"next": "/api/v1/blocks/?a=1&b=2"}).count(
        '<a href="/api/v1/blocks/?a=1&amp;b=2">'
    )


def test_nothing_on_a_page_needs_what_the_policy_forbids(see, pool, client):
    for address in ("/api/v1/", ADDRESSES["blocks"], "/api/v1/qc1/tables/ccdcam_bias/rows/"):
        page = see(address)
        assert all("src" in one.attributes for one in page.all("script"))
        assert page.all("style") == []
        assert "bootstrap" not in client.get(address, headers=BROWSER).content.decode()


def test_the_form_of_rows_has_the_filter_columns_of_its_table(see):
    page = see("/api/v1/qc1/tables/ccdcam_bias/rows/?detector=CHIP1&read_mode=SLOW")
    fields = {one.attributes["name"]: one.attributes.get("value", "") for one in page.all("input")}
    assert (fields["detector"], fields["read_mode"], fields["binning"]) == ("CHIP1", "SLOW", "")
    assert "filters" not in fields
