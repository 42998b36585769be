"""What a request may see: the instruments its token is for, and of frames what is open."""

from types import SimpleNamespace

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory

from pipelines.models import RawFile
from qcweb import access
from tests.qcweb.api.problems import assert_problem
from tests.qcweb.api.test_lists import ADDRESSES, LISTS
from tests.qcweb.tokens import bearer, made

API = "/api/v1"
PRIVATE = ("program_id", "ob_id", "target")


@pytest.fixture
def limited(pool, quinn):
    """A client whose requests come with a token for UVES."""
    return Client(headers=bearer(made(quinn, "read", "certify", instruments=["UVES"])[1]))


def test_a_request_without_a_token_sees_all_instruments():
    request = RequestFactory().get("/api/v1/")
    assert access.instruments_of(request) is None
    request.token = SimpleNamespace(instruments=[])  # type: ignore[attr-defined]
    assert access.instruments_of(request) is None


@pytest.mark.parametrize("name", LISTS)
def test_a_token_narrows_every_list(limited, name):
    rows = limited.get(f"{ADDRESSES[name]}?limit=1000").json()[LISTS[name].collection]
    assert {row["name" if name == "instruments" else "instrument"] for row in rows} == {"UVES"}
    for query in ("instrument=CCDCAM", "instrument=UVES&instrument=CCDCAM"):
        problem = assert_problem(limited.get(f"{ADDRESSES[name]}?{query}"), 403)
        assert problem["detail"] == "This token is for UVES."
    assert limited.get(f"{ADDRESSES[name]}?instrument=UVES").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "blocks/?raw_type=NONE", "scores/?table=none", "scores/?parameter=none",
        "instruments/?instrument=NONE", "reports/?table=ccdcam_bias",
    ],
)  # fmt: skip
def test_a_hint_names_nothing_of_other_instruments(limited, pool, query):
    problem = limited.get(f"{API}/{query}").json()
    assert problem["status"] in {400, 403}
    assert "ccdcam" not in problem["hint"].lower()


def test_another_instruments_address_is_refused(limited, pool):
    block = pool["green"]
    frame = block.block_frames.first().raw_file_id
    product = block.current_attempt.products.first().pk
    event = block.instrument.quality_events.first().pk
    for there in (
        "instruments/CCDCAM/", "qc1/tables/ccdcam_bias/", "qc1/tables/ccdcam_bias/columns/",
        f"blocks/{block.ab_name}/", f"blocks/{block.ab_name}/certifications/",
        f"blocks/{block.ab_name}/provenance/",
        "reports/CCDCAM/bias_level/", "nights/CCDCAM/2026-03-01/", f"frames/{frame}/",
        f"products/{product}/", f"events/{event}/",
    ):  # fmt: skip
        problem = assert_problem(limited.get(f"{API}/{there}"), 403)
        assert problem["detail"] == "This token is for UVES.", there
    for there in ("instruments/UVES/", "qc1/tables/uves_bias/", "nights/UVES/2026-02-20/"):
        assert limited.get(f"{API}/{there}").status_code == 200, there


def test_another_instruments_block_is_not_decided_on(limited, pool):
    answer = limited.post(
        f"{API}/blocks/{pool['red'].ab_name}/certifications/",
        {"decision": "REJECTED", "comment": "no", "seen": 1}, content_type="application/json",
    )  # fmt: skip
    assert_problem(answer, 403)


@pytest.fixture
def anybody(pool, client, settings):
    """Somebody without a login, on a day when the night's science is proprietary."""
    settings.HCM_ANONYMOUS_READ = True
    with time_machine.travel("2026-03-20"):
        yield client


def test_whose_a_science_frame_is_needs_a_login(anybody, vera):
    science = RawFile.objects.get(name="science.fits")
    for told in (
        anybody.get(f"{API}/frames/?name=science.fits").json()["frames"][0],
        anybody.get(f"{API}/frames/{science.pk}/").json(),
    ):
        assert told["is_open"] is False
        assert [told[name] for name in PRIVATE] == [None] * 3
        assert (told["is_science"], told["dpr_catg"]) == (True, "SCIENCE")
    assert (told["keywords"], told["assigned"]) == (None, None)
    assert b"Secret" not in anybody.get(f"{API}/frames/?limit=1000").content
    assert b"Secret" not in anybody.get(f"{API}/frames/?limit=1000&format=html").content
    anybody.force_login(vera)
    told = anybody.get(f"{API}/frames/{science.pk}/").json()
    assert (told["is_open"], told["target"]) == (True, "Secret star")
    assert told["keywords"]["INSTRUME"] == "CCDCAM"


def test_what_nobody_may_see_cannot_be_searched(anybody, vera):
    for query in ("target=Secret%20star", "program_id=110.A-0001(A)"):
        assert anybody.get(f"{API}/frames/?{query}").json()["frames"] == []
    assert len(anybody.get(f"{API}/frames/?program_id=60.A-9999(A)").json()["frames"]) > 3
    anybody.force_login(vera)
    assert len(anybody.get(f"{API}/frames/?target=Secret%20star").json()["frames"]) == 1


def test_calibrations_are_open_and_so_is_everything_after_a_year(pool, client, settings):
    settings.HCM_ANONYMOUS_READ = True
    settings.HCM_PROPRIETARY_DAYS = 365
    with time_machine.travel("2026-03-20"):
        frames = client.get(f"{API}/frames/?limit=1000").json()["frames"]
    assert {one["name"] for one in frames if not one["is_open"]} == {"science.fits"} | {
        one["name"] for one in frames if one["program_id"] is None
    }
    with time_machine.travel("2027-03-20"):
        frames = client.get(f"{API}/frames/?limit=1000").json()["frames"]
    assert all(one["is_open"] for one in frames)


def test_nobody_is_somebody_without_a_login(anybody):
    request = RequestFactory().get("/api/v1/")
    request.user = AnonymousUser()
    assert not access.may_certify(request.user)
    assert anybody.get(f"{API}/").status_code == 200
