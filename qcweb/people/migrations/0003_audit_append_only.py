"""The database itself refuses to edit or delete a line of the audit log.

The seal can be opened by whoever restores a backup: ``UPDATE audit_seal SET is_open = 1``.
"""

from django.db import migrations

SAID = "the audit log is history: lines are added, never edited or deleted"
SQLITE = [
    "CREATE TABLE audit_seal (is_open integer NOT NULL)",
    "INSERT INTO audit_seal VALUES (0)",
    *(
        f"""CREATE TRIGGER audit_no_{verb} BEFORE {verb} ON people_auditentry
        WHEN (SELECT max(is_open) FROM audit_seal) = 0
        BEGIN SELECT RAISE(ABORT, '{SAID}'); END"""
        for verb in ("UPDATE", "DELETE")
    ),
    # INSERT OR REPLACE deletes without asking the trigger above.
    f"""CREATE TRIGGER audit_no_REPLACE BEFORE INSERT ON people_auditentry
    WHEN (SELECT max(is_open) FROM audit_seal) = 0
    AND EXISTS (SELECT 1 FROM people_auditentry WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, '{SAID}'); END""",
]
POSTGRESQL = [
    "CREATE TABLE audit_seal (is_open integer NOT NULL)",
    "INSERT INTO audit_seal VALUES (0)",
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT max(is_open) FROM audit_seal) = 0 THEN
            RAISE EXCEPTION '{SAID}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE
    ON people_auditentry FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE
    ON people_auditentry FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
]
UNDO = {
    "sqlite": [
        "DROP TRIGGER audit_no_UPDATE",
        "DROP TRIGGER audit_no_DELETE",
        "DROP TRIGGER audit_no_REPLACE",
        "DROP TABLE audit_seal",
    ],
    "postgresql": [
        "DROP TRIGGER audit_no_change ON people_auditentry",
        "DROP TRIGGER audit_no_truncate ON people_auditentry",
        "DROP FUNCTION audit_refuse()",
        "DROP TABLE audit_seal",
    ],
}


def seal(apps, editor):
    for statement in {"sqlite": SQLITE, "postgresql": POSTGRESQL}[editor.connection.vendor]:
        editor.execute(statement)


def unseal(apps, editor):
    for statement in UNDO[editor.connection.vendor]:
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("people", "0002_rights_audit_refresh")]
    operations = [migrations.RunPython(seal, unseal)]
