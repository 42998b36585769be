"""Who may do what: every address, for everybody, both ways. An address missing here fails."""

import pytest
from django.urls import get_resolver, reverse
from django.utils import timezone

from pipelines.models import Product
from pipelines.services.previews import make_previews
from qcweb.access import TABLE, is_machine_door
from tests.qcweb.tokens import bearer, expired, made
from trending.models import QualityEvent, Score

# Who asks: an administrator, a scientist of the instrument (CCDCAM), a scientist of another one,
# observatory staff, an account without a role, and anybody without a login.
WHO = ("root", "cara", "uma", "vera", "stan", None)
# What GET and POST answer to each. 302: done, or to the login page. With HCM_ANONYMOUS_READ on, `read`
# addresses answer anybody with 200.
ANYBODY = (302, 302)


def readers(get=200, post=405, anybody=(302, 405)):
    """What all who are logged in may."""
    return ((get, post),) * 5 + (anybody,)


def scientists(post=302, get=405):
    """What needs the right for CCDCAM; a page that acts is for nobody else to see."""
    refused = (405 if get == 405 else 403, 403)
    return ((get, post),) * 2 + (refused,) * 3 + ((405 if get == 405 else 302, 302),)


def any_scientist(post, get=405):
    """What says which instrument it is about only when it is filled in."""
    anybody = (405 if get == 405 else 302, 302)
    return ((get, post),) * 3 + ((get, 403),) * 2 + (anybody,)


def administrators(post, get=405):
    refused = (405 if get == 405 else 403, 405 if post == 405 else 403)
    anybody = (405 if get == 405 else 302, 405 if post == 405 else 302)
    return ((get, post), *(refused,) * 4, anybody)


READ, ACT = readers(), scientists()
API = readers(anybody=(401, 405))
OPEN = ((200, 405),) * 6
PROGRAMS = ((200, 415),) * 2 + ((200, 403),) * 3 + ((401, 401),)
EXPECTED = {
    "home": READ,
    "login": ((200, 200),) * 6,
    "logout": ((405, 302),) * 6,
    "patterns": OPEN,
    "health": OPEN,
    "metrics": API,
    "nights": READ,
    "night": READ,
    "calendar-newest": READ,
    "calendar": READ,
    "night-report": READ,
    "night-export": READ,
    "month-report": READ,
    "frames": READ,
    "cascade": READ,
    "night-close": scientists(get=200),
    "night-reopen": ACT,
    "night-calibrated": ACT,
    "gallery": READ,
    "night-run": scientists(get=200),
    "handover": READ,
    "handover-archive": scientists(409),
    "worklist": READ,
    "worklist-claim": any_scientist(302),
    "worklist-decide": any_scientist(302),
    "worklist-undo": any_scientist(302),
    "waivers": READ,
    "waiver-withdraw": any_scientist(404),
    "block-waive": ACT,
    "news": any_scientist(400, get=200),
    "news-withdraw": any_scientist(404),
    "comment": ((405, 404), (405, 404), (405, 403), (405, 404), (405, 403), (405, 302)),
    "comment-withdraw": ((405, 404),) * 4 + ((405, 403), (405, 302)),
    "raw-frames": READ,
    "frame": READ,
    "frame-look": READ,
    "frame-hide": ACT,
    "plans": READ,
    "plan": READ,
    "monitor": READ,
    # Staff may ask for that, too.
    "refresh": ((405, 302), (405, 302), (405, 403), (405, 302), (405, 403), (405, 302)),
    "monitor-act": any_scientist(400),
    "search": READ,
    "block": READ,
    "block-log": READ,
    "block-associations": READ,
    "block-provenance": READ,
    "block-certify": ACT,
    "block-undo": ACT,
    "block-scores": scientists(400),
    "block-run": scientists(get=200),
    "block-act": scientists(400),
    "block-replace": scientists(200, get=200),
    "block-compare": READ,
    "block-current": ACT,
    "product": READ,
    "product-look": READ,
    "reports": READ,
    "report": READ,
    "report-figure": READ,
    "tables": READ,
    "table": READ,
    "value": READ,
    "value-act": scientists(400),
    "value-undo": scientists(404),
    "series-figure": READ,
    "tokens": readers(200, 400, ANYBODY),
    "token-revoke": readers(405, 404, (405, 302)),
    "password": readers(200, 400, ANYBODY),
    "people": administrators(400, get=200),
    "person": administrators(405, get=200),
    "person-act": administrators(400),
    "right-give": administrators(400),
    "right-take": administrators(404),
    # Scientists see what was done to their instruments.
    "audit": ((200, 405),) * 3 + ((403, 405),) * 2 + ((302, 405),),
    "rules": READ,
    "rule": READ,
    "rule-change": scientists(400),
    "rule-new": scientists(400, get=200),
    "sanity": READ,
    "events": any_scientist(400, get=200),
    "event": READ,
    "event-adopt": ACT,
    "event-withdraw": ACT,
    "reference-withdraw": ACT,
    "api:root": API,
    "api:instruments": API,
    "api:instrument": API,
    "api:nights": API,
    "api:night": API,
    "api:blocks": API,
    "api:block": API,
    # A form of several parts is no format of it: a QC scientist gets as far as that.
    "api:block-certifications": PROGRAMS,
    "api:block-provenance": API,
    "api:scores": API,
    "api:certifications": API,
    "api:reports": API,
    "api:report": API,
    "api:tables": API,
    "api:table": API,
    "api:columns": API,
    # What a form of several parts holds is no rows.
    "api:rows": PROGRAMS,
    "api:trend": API,
    # Without a form: to the list of tables, and nothing to answer.
    "qc1-cgi": readers(302, 400, (401, 401)),
    "tap:page": API,
    # Without a query; queries that are answered later are not offered.
    "tap:sync": readers(400, 400, (401, 401)),
    "tap:async": readers(404, 404, (401, 401)),
    "tap:job": readers(404, 404, (401, 401)),
    "tap:tables": API,
    "tap:table": API,
    "tap:capabilities": API,
    "tap:availability": API,
    "api:events": API,
    "api:event": API,
    "api:frames": API,
    "api:frame": API,
    "api:products": API,
    "api:product": API,
    "api:schema": API,
}

# What GET and POST answer at the doors for programs to a token: of Quinn, to read, to write rows, to
# certify; of Vera, with all three scopes; of Uma, who may act on UVES only, with all three; of Quinn
# for another instrument; one that has expired.
TOKENS = ("read", "ingest", "certify", "vera", "uma", "other", "expired")
READ_BY_TOKEN = ((200, 405), (403, 405), (403, 405), (200, 405), (200, 405), (200, 405), (401, 401))
READ_OF_INSTRUMENT = (
    (200, 405),
    (403, 405),
    (403, 405),
    (200, 405),
    (200, 405),
    (403, 405),
    (401, 401),
)
DECIDE = ((200, 403), (403, 403), (403, 415), (200, 403), (200, 403), (403, 403), (401, 401))
EXPECTED_OF_TOKENS = {
    "api:root": READ_BY_TOKEN,
    "api:tables": READ_BY_TOKEN,
    "api:instruments": READ_BY_TOKEN,
    "api:instrument": READ_OF_INSTRUMENT,
    "api:nights": READ_BY_TOKEN,
    "api:night": READ_OF_INSTRUMENT,
    "api:blocks": READ_BY_TOKEN,
    "api:block": READ_OF_INSTRUMENT,
    "api:block-certifications": DECIDE,
    "api:block-provenance": READ_OF_INSTRUMENT,
    "api:scores": READ_BY_TOKEN,
    "api:certifications": READ_BY_TOKEN,
    "api:reports": READ_BY_TOKEN,
    "api:report": READ_OF_INSTRUMENT,
    "api:table": READ_OF_INSTRUMENT,
    "api:columns": READ_OF_INSTRUMENT,
    "api:rows": (
        (200, 403),
        (403, 415),
        (403, 403),
        (200, 403),
        (200, 403),
        (403, 403),
        (401, 401),
    ),
    "api:trend": READ_OF_INSTRUMENT,
    "api:events": READ_BY_TOKEN,
    "api:event": READ_OF_INSTRUMENT,
    "api:frames": READ_BY_TOKEN,
    "api:frame": READ_OF_INSTRUMENT,
    "api:products": READ_BY_TOKEN,
    "api:product": READ_OF_INSTRUMENT,
    "qc1-cgi": ((302, 400), (403, 403), (403, 403), (302, 400), (302, 400), (302, 400), (401, 401)),
    "tap:page": READ_BY_TOKEN,
    "tap:sync": (
        (400, 400),
        (403, 403),
        (403, 403),
        (400, 400),
        (400, 400),
        (400, 400),
        (401, 401),
    ),
    "tap:async": (
        (404, 404),
        (403, 403),
        (403, 403),
        (404, 404),
        (404, 404),
        (404, 404),
        (401, 401),
    ),
    "tap:job": ((404, 404), (403, 403), (403, 403), (404, 404), (404, 404), (404, 404), (401, 401)),
    "tap:tables": READ_BY_TOKEN,
    # A token for another instrument does not see that there is such a table.
    "tap:table": (
        (200, 405),
        (403, 405),
        (403, 405),
        (200, 405),
        (200, 405),
        (404, 405),
        (401, 401),
    ),
    "tap:capabilities": READ_BY_TOKEN,
    "tap:availability": READ_BY_TOKEN,
    "api:schema": READ_BY_TOKEN,
}


def names(resolver=None, prefix=""):
    for pattern in (resolver or get_resolver()).url_patterns:
        if hasattr(pattern, "url_patterns"):
            space = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from names(pattern, prefix + space)
        else:
            yield prefix + pattern.name


def pictured(block):
    return make_previews(block.current_attempt)[0]


def arguments(night):
    block = night["green"]
    frame = block.block_frames.first().raw_file_id
    score = Score.objects.filter(row__attempt__block=block, is_current=True).first()
    value = ["ccdcam_bias", score.series.parameter.name, score.row_id]
    product = Product.objects.filter(attempt=block.current_attempt).first().pk
    event = QualityEvent.objects.create(
        instrument=block.instrument, kind="other", mjd=61100.0, title="An event", author="quinn",
        recorded_at=timezone.now(),
    ).pk  # fmt: skip
    return {
        "value": value,
        "value-act": value,
        "value-undo": value,
        "series-figure": [score.series_id],
        "rule": [score.rule_id],
        "rule-change": [score.rule_id],
        "rule-new": ["ccdcam_bias", "struct_x"],
        "event": [event],
        "event-adopt": [event],
        "event-withdraw": [event],
        "reference-withdraw": [event, 1],
        "block-scores": [block.ab_name],
        "night": ["CCDCAM", block.night.isoformat()],
        "calendar-newest": ["CCDCAM"],
        "calendar": ["CCDCAM", block.night.year],
        "night-report": ["CCDCAM", block.night.isoformat()],
        "night-export": ["CCDCAM", block.night.isoformat()],
        "month-report": ["CCDCAM", f"{block.night:%Y-%m}"],
        "frames": ["CCDCAM", block.night.isoformat()],
        "cascade": ["CCDCAM", block.night.isoformat()],
        "night-close": ["CCDCAM", block.night.isoformat()],
        "night-reopen": ["CCDCAM", block.night.isoformat()],
        "night-calibrated": ["CCDCAM", block.night.isoformat()],
        "frame": [frame],
        "frame-look": [frame, 1],
        "frame-hide": [frame],
        "plan": ["CCDCAM"],
        "block-associations": [block.ab_name],
        "block-provenance": [block.ab_name],
        "block": [block.ab_name],
        "block-log": [block.ab_name, 1],
        "block-certify": [block.ab_name],
        "worklist-undo": ["0" * 32],
        "news-withdraw": [0],
        "waiver-withdraw": [0],
        "block-waive": [block.ab_name],
        "comment": ["CCDCAM"],
        "comment-withdraw": [0],
        "block-undo": [block.ab_name],
        "gallery": ["CCDCAM", block.night.isoformat()],
        "night-run": ["CCDCAM", block.night.isoformat()],
        "handover": ["CCDCAM"],
        "handover-archive": ["CCDCAM"],
        "block-run": [block.ab_name],
        "block-act": [block.ab_name],
        "block-replace": [block.ab_name],
        "block-compare": [block.ab_name],
        "block-current": [block.ab_name, 1],
        "product-look": [pictured(block).product_id, 1, "image"],
        "product": [product],
        "report": ["CCDCAM", "bias_level"],
        "report-figure": ["CCDCAM", "bias_level", 1],
        "table": ["ccdcam_bias"],
        "token-revoke": [0],
        "refresh": ["CCDCAM"],
        "person": ["vera"],
        "person-act": ["vera"],
        "right-give": ["vera"],
        "right-take": ["vera", 0],
        "api:rows": ["ccdcam_bias"],
        "api:trend": ["ccdcam_bias", "ron_raw"],
        "tap:job": ["17/phase"],
        "tap:table": ["qc1.ccdcam_bias"],
        "api:instrument": ["CCDCAM"],
        "api:night": ["CCDCAM", block.night.isoformat()],
        "api:block": [block.ab_name],
        "api:block-certifications": [block.ab_name],
        "api:block-provenance": [block.ab_name],
        "api:report": ["CCDCAM", "bias_level"],
        "api:table": ["ccdcam_bias"],
        "api:columns": ["ccdcam_bias"],
        "api:event": [event],
        "api:frame": [frame],
        "api:product": [product],
    }


def test_every_address_is_in_both_tables():
    assert set(names()) == set(EXPECTED) == set(TABLE)


@pytest.fixture
def cast(root, cara, uma, vera, stan):
    return {"root": root, "cara": cara, "uma": uma, "vera": vera, "stan": stan, None: None}


def test_everybody_gets_what_the_table_says(client, night, cast):
    given = arguments(night)
    wrong = []
    for column, name_of_who in enumerate(WHO):
        who = cast[name_of_who]
        for name, columns in EXPECTED.items():
            url = reverse(name, args=given.get(name, []))
            for method, status in zip(("get", "post"), columns[column], strict=True):
                client.logout()
                if who is not None:
                    client.force_login(who)
                answer = getattr(client, method)(url)
                if answer.streaming:
                    list(answer.streaming_content)
                if answer.status_code != status:
                    wrong.append((str(who), method, name, answer.status_code, status))
    assert wrong == []


def test_every_door_for_programs_has_its_line_for_tokens():
    assert {name for name in TABLE if is_machine_door(name)} == set(EXPECTED_OF_TOKENS)


@pytest.fixture
def secrets(quinn, vera, uma):
    return {
        **{scope: made(quinn, scope)[1] for scope in ("read", "ingest", "certify")},
        "vera": made(vera, "read", "ingest", "certify")[1],
        "uma": made(uma, "read", "ingest", "certify")[1],
        "other": made(quinn, "read", "ingest", "certify", instruments=["UVES"])[1],
        "expired": expired(quinn, "read", "ingest", "certify")[1],
    }


def test_every_token_gets_what_the_table_says(client, night, secrets):
    given = arguments(night)
    wrong = []
    for name, columns in EXPECTED_OF_TOKENS.items():
        url = reverse(name, args=given.get(name, []))
        for token, statuses in zip(TOKENS, columns, strict=True):
            for method, status in zip(("get", "post"), statuses, strict=True):
                answer = getattr(client, method)(url, headers=bearer(secrets[token]))
                if answer.streaming:
                    list(answer.streaming_content)
                if answer.status_code != status:
                    wrong.append((token, method, name, answer.status_code, status))
    assert wrong == []


def test_anybody_may_read_where_it_is_switched_on(client, night, settings):
    settings.HCM_ANONYMOUS_READ = True
    given = arguments(night)
    for name, columns in EXPECTED.items():
        if columns in {READ, API} or name in {"events", "news", "api:block-certifications"}:
            answer = client.get(reverse(name, args=given.get(name, [])))
            if answer.streaming:
                list(answer.streaming_content)
            assert answer.status_code == 200, name
    assert client.post(reverse("block-certify", args=given["block"])).status_code == 302


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_no_other_method_exists(client, db, settings, method):
    settings.HCM_ANONYMOUS_READ = True
    assert getattr(client, method)("/").status_code == 405


@pytest.mark.django_db
def test_acting_needs_the_token_of_the_form(quinn, night):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(quinn)
    url = reverse("block-certify", args=[night["red"].ab_name])
    answer = client.post(url, {"decision": "REJECTED", "comment": "no"})
    assert answer.status_code == 403


def test_every_page_carries_the_policy(client, db):
    policy = client.get("/login/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy
