"""The OpenAPI schema: valid, complete, and honest about errors."""

import json
import re

import pytest
import yaml
from django.core.management import call_command
from django.urls import get_resolver
from drf_spectacular.validation import validate_schema

from qcweb.api.schema import BODY_ERRORS, ERRORS
from qcweb.row_questions import ALWAYS, PAGED
from tests.qcweb.api.problems import KEYS
from trending.exports import FORMATS


@pytest.fixture
def schema(client, vera):
    client.force_login(vera)
    return json.loads(client.get("/api/v1/schema/?format=json").content)


def operations(schema):
    return [
        (path, operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]


def test_it_is_valid_openapi(schema):
    validate_schema(schema)
    assert schema["openapi"].startswith("3.")


def test_yaml_and_json_are_the_same(client, vera, schema):
    client.force_login(vera)
    answer = client.get("/api/v1/schema/")
    assert "application/vnd.oai.openapi" in answer["Content-Type"]
    assert yaml.safe_load(answer.content) == schema


def test_it_describes_every_address_but_itself(schema):
    api = next(one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "api")
    braces = re.compile("<(?:str|int):([a-z_]+)>")
    ours = {"/api/v1/" + braces.sub(r"{\1}", str(one.pattern)) for one in api.url_patterns}
    assert set(schema["paths"]) == ours - {"/api/v1/schema/"}


def test_every_operation_documents_the_shape_of_errors(schema):
    shape = schema["components"]["schemas"]["Problem"]
    assert sorted(shape["properties"]) == sorted(shape["required"]) == sorted(KEYS)
    for path, operation in operations(schema):
        for status in ERRORS | (BODY_ERRORS if "requestBody" in operation else {}):
            content = operation["responses"][str(status)]["content"]
            reference = content["application/problem+json"]["schema"]["$ref"]
            assert reference == "#/components/schemas/Problem", (path, status)
        assert {"200", "201"} & set(operation["responses"])
        assert operation["description"], path


def test_the_parameters_of_the_rows_are_those_the_view_takes(schema):
    operation = schema["paths"]["/api/v1/qc1/tables/{table}/rows/"]["get"]
    asked = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
    assert asked == {*ALWAYS, *PAGED, "filters"}
    assert all(one["description"] for one in operation["parameters"] if one["in"] == "query")
    kinds = {one.media_type.partition(";")[0] for one in FORMATS.values()}
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json",
        "text/html",
        *kinds,
    }


def test_a_token_or_a_login_opens_every_operation(schema):
    schemes = schema["components"]["securitySchemes"]
    assert schemes["token"] | {"description": ""} == {
        "type": "http", "scheme": "bearer", "bearerFormat": "hcm_…", "description": "",
    }  # fmt: skip
    assert schemes["cookieAuth"] == {"type": "apiKey", "in": "cookie", "name": "sessionid"}
    for path, operation in operations(schema):
        assert {"token": []} in operation["security"], path
        assert {"cookieAuth": []} in operation["security"], path


def test_every_parameter_and_every_field_says_what_it_means(schema):
    silent = [
        (path, one["name"])
        for path, operation in operations(schema)
        for one in operation.get("parameters", [])
        if not one.get("description")
    ]
    silent += [
        (name, field)
        for name, shape in schema["components"]["schemas"].items()
        for field, one in shape.get("properties", {}).items()
        if not one.get("description")
    ]
    assert silent == []


def test_nothing_in_the_schema_is_guessed(capfd, tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "x.yaml"))
    assert capfd.readouterr().err == ""


def test_times_say_ut_and_what_has_a_unit_says_it(schema):
    unsaid = []
    for name, shape in schema["components"]["schemas"].items():
        for field, one in shape.get("properties", {}).items():
            words = one.get("description", "")
            if field.startswith(("mjd", "date_")) or field.endswith(("_at", "_mjd")):
                unsaid += [] if "UT" in words else [(name, field)]
            if field.endswith("_s"):
                unsaid += [] if "in s" in words else [(name, field)]
    assert unsaid == []
