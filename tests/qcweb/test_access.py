"""Who may do what: every address, for everybody, both ways. An address missing here fails."""

import pytest
from django.urls import get_resolver, reverse
from django.utils import timezone

from pipelines.models import Product
from pipelines.services.previews import make_previews
from qcweb.access import TABLE, is_machine_door
from tests.qcweb.tokens import bearer, expired, made
from trending.models import QualityEvent, Score

# What GET and POST answer: to a QC scientist, staff, an account without a role, and anybody.
# 302: to the login page. With HCM_ANONYMOUS_READ on, `read` addresses answer anybody with 200.
READ = ((200, 405), (200, 405), (200, 405), (302, 405))
API = ((200, 405), (200, 405), (200, 405), (401, 405))
OPEN = ((200, 405),) * 4
ACT = ((405, 302), (405, 403), (405, 403), (405, 302))
EXPECTED = {
    "home": READ,
    "login": ((200, 200),) * 4,
    "logout": ((405, 302),) * 4,
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
    "night-close": ((200, 302), (403, 403), (403, 403), (302, 302)),
    "night-reopen": ACT,
    "night-calibrated": ACT,
    "gallery": READ,
    "night-run": ((200, 302), (403, 403), (403, 403), (302, 302)),
    "handover": READ,
    "handover-archive": ((405, 409), (405, 403), (405, 403), (405, 302)),
    "worklist": READ,
    "raw-frames": READ,
    "frame": READ,
    "frame-look": READ,
    "frame-hide": ACT,
    "plans": READ,
    "plan": READ,
    "monitor": READ,
    "monitor-act": ((405, 400), (405, 403), (405, 403), (405, 302)),
    "search": READ,
    "block": READ,
    "block-log": READ,
    "block-associations": READ,
    "block-certify": ACT,
    "block-undo": ACT,
    "block-scores": ((405, 400), (405, 403), (405, 403), (405, 302)),
    "block-run": ((200, 302), (403, 403), (403, 403), (302, 302)),
    "block-act": ((405, 400), (405, 403), (405, 403), (405, 302)),
    "block-replace": ((200, 200), (403, 403), (403, 403), (302, 302)),
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
    "value-act": ((405, 400), (405, 403), (405, 403), (405, 302)),
    "value-undo": ((405, 404), (405, 403), (405, 403), (405, 302)),
    "series-figure": READ,
    "tokens": ((200, 400), (200, 400), (200, 400), (302, 302)),
    "token-revoke": ((405, 404), (405, 404), (405, 404), (405, 302)),
    "rules": READ,
    "rule": READ,
    "rule-change": ((405, 400), (405, 403), (405, 403), (405, 302)),
    "rule-new": ((200, 400), (403, 403), (403, 403), (302, 302)),
    "sanity": READ,
    "events": ((200, 400), (200, 403), (200, 403), (302, 302)),
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
    "api:block-certifications": ((200, 415), (200, 403), (200, 403), (401, 401)),
    "api:scores": API,
    "api:certifications": API,
    "api:reports": API,
    "api:report": API,
    "api:tables": API,
    "api:table": API,
    "api:columns": API,
    # What a form of several parts holds is no rows.
    "api:rows": ((200, 415), (200, 403), (200, 403), (401, 401)),
    "api:trend": API,
    # Without a form: to the list of tables, and nothing to answer.
    "qc1-cgi": ((302, 400), (302, 400), (302, 400), (401, 401)),
    "tap:page": API,
    # Without a query; queries that are answered later are not offered.
    "tap:sync": ((400, 400), (400, 400), (400, 400), (401, 401)),
    "tap:async": ((404, 404), (404, 404), (404, 404), (401, 401)),
    "tap:job": ((404, 404), (404, 404), (404, 404), (401, 401)),
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
# certify; of Vera, with all three scopes; of Quinn for another instrument; one that has expired.
TOKENS = ("read", "ingest", "certify", "vera", "other", "expired")
READ_BY_TOKEN = ((200, 405), (403, 405), (403, 405), (200, 405), (200, 405), (401, 401))
READ_OF_INSTRUMENT = ((200, 405), (403, 405), (403, 405), (200, 405), (403, 405), (401, 401))
DECIDE = ((200, 403), (403, 403), (403, 415), (200, 403), (403, 403), (401, 401))
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
    "api:scores": READ_BY_TOKEN,
    "api:certifications": READ_BY_TOKEN,
    "api:reports": READ_BY_TOKEN,
    "api:report": READ_OF_INSTRUMENT,
    "api:table": READ_OF_INSTRUMENT,
    "api:columns": READ_OF_INSTRUMENT,
    "api:rows": ((200, 403), (403, 415), (403, 403), (200, 403), (403, 403), (401, 401)),
    "api:trend": READ_OF_INSTRUMENT,
    "api:events": READ_BY_TOKEN,
    "api:event": READ_OF_INSTRUMENT,
    "api:frames": READ_BY_TOKEN,
    "api:frame": READ_OF_INSTRUMENT,
    "api:products": READ_BY_TOKEN,
    "api:product": READ_OF_INSTRUMENT,
    "qc1-cgi": ((302, 400), (403, 403), (403, 403), (302, 400), (302, 400), (401, 401)),
    "tap:page": READ_BY_TOKEN,
    "tap:sync": ((400, 400), (403, 403), (403, 403), (400, 400), (400, 400), (401, 401)),
    "tap:async": ((404, 404), (403, 403), (403, 403), (404, 404), (404, 404), (401, 401)),
    "tap:job": ((404, 404), (403, 403), (403, 403), (404, 404), (404, 404), (401, 401)),
    "tap:tables": READ_BY_TOKEN,
    # A token for another instrument does not see that there is such a table.
    "tap:table": ((200, 405), (403, 405), (403, 405), (200, 405), (404, 405), (401, 401)),
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
        "block": [block.ab_name],
        "block-log": [block.ab_name, 1],
        "block-certify": [block.ab_name],
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
        "api:rows": ["ccdcam_bias"],
        "api:trend": ["ccdcam_bias", "ron_raw"],
        "tap:job": ["17/phase"],
        "tap:table": ["qc1.ccdcam_bias"],
        "api:instrument": ["CCDCAM"],
        "api:night": ["CCDCAM", block.night.isoformat()],
        "api:block": [block.ab_name],
        "api:block-certifications": [block.ab_name],
        "api:report": ["CCDCAM", "bias_level"],
        "api:table": ["ccdcam_bias"],
        "api:columns": ["ccdcam_bias"],
        "api:event": [event],
        "api:frame": [frame],
        "api:product": [product],
    }


def test_every_address_is_in_both_tables():
    assert set(names()) == set(EXPECTED) == set(TABLE)


def test_everybody_gets_what_the_table_says(client, night, quinn, vera, stan):
    given = arguments(night)
    wrong = []
    for who, column in ((quinn, 0), (vera, 1), (stan, 2), (None, 3)):
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
def secrets(quinn, vera, instruments):
    return {
        **{scope: made(quinn, scope)[1] for scope in ("read", "ingest", "certify")},
        "vera": made(vera, "read", "ingest", "certify")[1],
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
        if columns in {READ, API} or name in {"events", "api:block-certifications"}:
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
