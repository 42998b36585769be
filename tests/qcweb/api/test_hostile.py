"""Whatever is asked, it is no failure of ours; and a page costs as many queries whatever its size."""

from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.qcweb.api.problems import assert_problem
from tests.qcweb.api.test_lists import ADDRESSES, LISTS

NAMES = sorted({one.name for listing in LISTS.values() for one in listing.parameters} | {"format"})
ODD = [
    "", " ", "0", "-1", "1e400", "-1e400", "nan", "inf", str(2**63), str(-(2**63) - 1), "9" * 5000,
    "1e308", "-0.0", "0x10", "1_0", "٣", "\u202e", "'", '"', "%", "%%s", "\\", ";--", "null", "true",
    "{}", "[]", "../", "\ud7ff", "\U0010ffff", "~", "~~", "-mjd_obs~1~1", "-mjd_obs~1e308~1",
    "-mjd_obs~-1e308~9223372036854775807", "-night~0001-01-01~1", "night~9999-12-31~0",
    "changed_at~9999-12-31T23:59:59.999999-23:59~1", "name~~1", "name~\U0010ffff~1", "id~1e18~1",
    "id~99999999999999999999~1", "9999-12-31", "0001-01-01", "9999-12-31T23:59:59.999999",
    "0001-01-01T00:00:00+23:59", "2026-W10-1", "20260302", "2026-03-02T24:00:00", "200000", "1e-320",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(
        sorted({word for one in LISTS.values() for p in one.parameters for word in p.known})
    ),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.floats().map(str),
    st.integers().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
)
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=4)
NEVER_5XX = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


@pytest.mark.parametrize("name", LISTS)
def test_no_question_to_a_list_is_a_failure(pool, reader, name):
    @NEVER_5XX
    @given(query=QUERIES)
    def ask(query):
        answer = reader.get(f"{ADDRESSES[name]}?{urlencode(query)}")
        assert answer.status_code in {200, 400}, (query, answer.content)

    ask()


@pytest.mark.parametrize("name", LISTS)
def test_every_parameter_takes_every_odd_value(pool, reader, name):
    for one in (*LISTS[name].parameters, None):
        for text in ODD:
            asked = urlencode({one.name if one else "x": text})
            answer = reader.get(f"{ADDRESSES[name]}?{asked}")
            assert answer.status_code in {200, 400}, (name, asked, answer.content)
            if answer.status_code == 400:
                assert_problem(answer, 400)


THINGS = [
    "instruments/{}/", "qc1/tables/{}/", "qc1/tables/{}/columns/", "blocks/{}/",
    "blocks/{}/certifications/", "blocks/{}/provenance/", "reports/{}/x/",
    "reports/CCDCAM/{}/", "nights/{}/2026-03-01/", "nights/CCDCAM/{}/", "events/{}/", "frames/{}/", "products/{}/",
]  # fmt: skip


@pytest.mark.parametrize("there", THINGS)
def test_no_address_of_a_thing_is_a_failure(pool, reader, there):
    for text in ODD:
        answer = reader.get(f"/api/v1/{there.format(quote(text, safe=''))}")
        assert answer.status_code in {200, 400, 404}, (there, text, answer.content)
        if answer.status_code != 200:
            assert_problem(answer, answer.status_code)


@pytest.mark.parametrize("page", ["", "&format=html"])
def test_too_many_parameters_are_refused(pool, reader, page):
    address = f"{ADDRESSES['blocks']}?{'raw_type=BIAS&' * 1001}{page}"
    assert reader.get(address).status_code == 400


def test_many_values_of_one_parameter_are_a_question(pool, reader):
    words = "&".join(f"setup={n}" for n in range(990))
    assert reader.get(f"{ADDRESSES['blocks']}?{words}").json()["blocks"] == []


@pytest.mark.parametrize("accept", ["text/html;q=9" * 500, "a;b=c;q=x", ",,,", "text/html; q=\x7f"])
def test_an_odd_accept_is_no_failure(pool, reader, accept):
    for query in ("", "?x=1"):
        answer = reader.get(f"{ADDRESSES['blocks']}{query}", headers={"Accept": accept})
        assert answer.status_code in {200, 400}


@pytest.mark.parametrize("charset", ["hex", "zip", "rot13", "idna", "undefined", "utf-16"])
def test_an_odd_charset_is_no_failure(pool, reader, charset):
    kind = f"text/plain; charset={charset}"
    for address in (f"{ADDRESSES['blocks']}?instrument=%41", "/nights/?x=%41"):
        answer = reader.generic("GET", address, content_type=kind)
        assert answer.status_code in {200, 400}, (charset, answer.content)


@pytest.mark.parametrize("name", LISTS)
def test_a_page_of_many_rows_costs_as_many_queries_as_one_of_few(pool, reader, name):
    def count(limit):
        with CaptureQueriesContext(connection) as queries:
            rows = reader.get(f"{ADDRESSES[name]}?limit={limit}").json()
        return len(queries), len(rows[LISTS[name].collection])

    (few, n_few), (many, n_many) = count(2), count(1000)
    assert n_many >= n_few
    assert few == many
    assert many <= 9


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
def test_a_list_can_only_be_read(pool, reader, name, method):
    answer = getattr(reader, method)(ADDRESSES[name])
    assert_problem(answer, 405)
    assert answer["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("name", LISTS)
def test_a_list_can_be_asked_for_its_head_and_what_it_is(pool, reader, name):
    assert reader.head(ADDRESSES[name]).content == b""
    assert reader.options(ADDRESSES[name]).status_code == 200


def test_a_list_that_has_not_changed_is_not_sent_again(pool, reader):
    tag = reader.get(ADDRESSES["blocks"])["ETag"]
    again = reader.get(ADDRESSES["blocks"], headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
