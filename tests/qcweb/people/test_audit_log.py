"""The audit log itself: added to, never edited; without secrets."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from qcweb.people.models import AuditEntry
from qcweb.people.models.audit import AuditError
from qcweb.people.services.audit import About, Actor, record, without_secrets

pytestmark = pytest.mark.django_db
BLOCK = About("block", "CCDCAM_BIAS_1", "/blocks/CCDCAM_BIAS_1/", "CCDCAM")


@pytest.fixture
def line():
    return record(
        Actor("quinn", "192.0.2.7", "hcm_12345678… (export)"), "block certified", BLOCK,
        before={"decision": None}, after={"decision": "REJECTED"},
        asked={"comment": "stripes", "csrfmiddlewaretoken": "x", "new_password1": "y"},
    )  # fmt: skip


def test_a_line_says_who_what_when_why_and_from_where(line):
    found = AuditEntry.objects.get()
    assert (found.person, found.verb, found.subject) == (
        "quinn", "block certified", "CCDCAM_BIAS_1",
    )  # fmt: skip
    assert (found.instrument, found.source) == ("CCDCAM", "192.0.2.7")
    assert (found.words, found.asked) == ("stripes", {"comment": "stripes"})
    assert (found.before, found.after) == ({"decision": None}, {"decision": "REJECTED"})
    assert str(found).endswith("quinn: block certified CCDCAM_BIAS_1")


def test_what_is_long_is_cut_and_what_is_secret_left_out():
    asked = {"reason": "x" * 5000, "ab": ["y"] * 500, "old_password": "z", "client_secret": "z"}
    kept = without_secrets(asked)
    assert (len(kept["reason"]), len(kept["ab"])) == (2000, 200)
    assert set(kept) == {"reason", "ab"}


def test_the_program_edits_and_deletes_no_line(line):
    for act in (line.save, line.delete, AuditEntry.objects.all().delete):
        with pytest.raises(AuditError):
            act()
    with pytest.raises(AuditError):
        AuditEntry.objects.update(person="somebody else")


@pytest.fixture
def sealed():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_seal SET is_open = 0")
        yield cursor
        cursor.execute("UPDATE audit_seal SET is_open = 1")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE people_auditentry SET person = 'somebody else'", "DELETE FROM people_auditentry"],
)
def test_the_database_refuses_what_goes_past_the_program(line, sealed, statement):
    with pytest.raises(DatabaseError, match="the audit log is history"), transaction.atomic():
        sealed.execute(statement)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite alone has such a statement")
def test_no_line_is_replaced(line, sealed):
    replace = "INSERT OR REPLACE INTO people_auditentry SELECT * FROM people_auditentry"
    with pytest.raises(DatabaseError, match="the audit log is history"), transaction.atomic():
        sealed.execute(replace)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no such statement")
def test_the_log_is_not_emptied_at_once(line, sealed):
    with pytest.raises(DatabaseError, match="the audit log is history"), transaction.atomic():
        sealed.execute("TRUNCATE people_auditentry")


def test_lines_are_added_while_it_is_sealed(sealed):
    record(Actor("quinn"), "logged in", About("account", "quinn"))
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [({"person": ""}, "audit_says_who"), ({"verb": ""}, "audit_says_what")],
)
def test_the_database_refuses_a_line_that_says_nothing(line, fields, constraint):
    known = {"at": line.at, "person": "quinn", "verb": "v", "kind": "k", "subject": "s"}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        AuditEntry.objects.create(**known | fields)
