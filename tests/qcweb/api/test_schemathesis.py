"""Every operation of the schema, asked with whatever the schema allows and with what it does not."""

import json

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.qcweb.tokens import made

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 12
# What there is, put where the schema asks for any name: else every answer would be a 404.
KNOWN = {
    "table": "ccdcam_bias", "parameter": "ron_raw", "name": "bias_level", "instrument": "CCDCAM",
    "night": "2026-03-01",
}  # fmt: skip


@pytest.fixture
def _connection_stays():
    """Keep requests from closing the connection that the test's transaction lives in."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def api(night, quinn, _connection_stays):
    """The schema as it is served, and a token that may do all there is."""
    application = get_wsgi_application()
    secret = made(quinn, "read", "ingest", "certify")[1]
    headers = {"Authorization": f"Bearer {secret}"}
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/schema/?format=json", application, headers=headers
    )
    return schema, headers, {**KNOWN, "ab_name": night["red"].ab_name}


def operations(schema):
    found = [one.ok() for one in schema.get_all_operations()]
    assert len(found) >= 25
    return found


def ask(operation, headers, known, mode, n_examples):
    """Ask an operation with made-up requests, half of them about what there is."""
    asked = []

    @settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def run(case):
        asked.append(case)
        if len(asked) % 2 and case.path_parameters:
            case.path_parameters |= {
                name: known[name] for name in case.path_parameters if name in known
            }
        if operation.label.endswith("/instruments/{name}/"):
            case.path_parameters["name"] = "CCDCAM"
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS)

    run()
    return len(asked)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_whatever_is_answered_otherwise_than_the_schema_says(api, mode):
    schema, headers, known = api
    asked = {}
    for operation in operations(schema):
        has_input = list(operation.iter_parameters()) or operation.body
        if mode == GenerationMode.NEGATIVE and not has_input:
            continue
        asked[operation.label] = ask(operation, headers, known, mode, EXAMPLES)
    assert sum(asked.values()) > EXAMPLES * 15, asked


def test_a_method_that_is_not_there_is_a_405_everywhere(api):
    schema, headers, known = api
    for operation in operations(schema):
        if operation.method.upper() != "GET":
            continue
        parameters = {one.name: known.get(one.name, "1") for one in operation.path_parameters}
        case = operation.Case(path_parameters=parameters, method="DELETE")
        answer = case.call(headers=headers)
        assert answer.status_code == 405, operation.label
        assert "GET" in answer.headers["allow"][0]
        case.validate_response(answer, checks=[unsupported_method])


def test_what_is_there_answers_200_in_the_shape_of_the_schema(api):
    """So that the shapes above were not those of errors alone."""
    schema, headers, known = api
    good = []
    for operation in operations(schema):
        if operation.method.upper() != "GET":
            continue
        parameters = {one.name: known.get(one.name, "1") for one in operation.path_parameters}
        if operation.label.endswith("/instruments/{name}/"):
            parameters["name"] = "CCDCAM"
        case = operation.Case(path_parameters=parameters)
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code == 200:
            good.append(operation.label)
            assert json.loads(answer.content)
    # An event, a frame and a product have numbers that are not known here.
    assert len(good) >= 20, good
