"""The database itself refuses to edit or delete a certification.

The seal can be opened by whoever restores a backup: ``UPDATE certification_seal SET is_open = 1``.
"""

from django.db import migrations

SQLITE = [
    "CREATE TABLE certification_seal (is_open integer NOT NULL)",
    "INSERT INTO certification_seal VALUES (0)",
    *(
        f"""CREATE TRIGGER certification_no_{verb} BEFORE {verb}
        ON certification_certification
        WHEN (SELECT max(is_open) FROM certification_seal) = 0
        BEGIN SELECT RAISE(ABORT, 'a certification is history: add a new decision instead'); END"""
        for verb in ("UPDATE", "DELETE")
    ),
]
POSTGRESQL = [
    "CREATE TABLE certification_seal (is_open integer NOT NULL)",
    "INSERT INTO certification_seal VALUES (0)",
    """CREATE FUNCTION certification_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT max(is_open) FROM certification_seal) = 0 THEN
            RAISE EXCEPTION 'a certification is history: add a new decision instead'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER certification_no_change BEFORE UPDATE OR DELETE
    ON certification_certification FOR EACH ROW EXECUTE FUNCTION certification_refuse()""",
    """CREATE TRIGGER certification_no_truncate BEFORE TRUNCATE
    ON certification_certification FOR EACH STATEMENT EXECUTE FUNCTION certification_refuse()""",
]
UNDO = {
    "sqlite": [
        "DROP TRIGGER certification_no_UPDATE",
        "DROP TRIGGER certification_no_DELETE",
        "DROP TABLE certification_seal",
    ],
    "postgresql": [
        "DROP TRIGGER certification_no_change ON certification_certification",
        "DROP TRIGGER certification_no_truncate ON certification_certification",
        "DROP FUNCTION certification_refuse()",
        "DROP TABLE certification_seal",
    ],
}


def seal(apps, editor):
    for statement in {"sqlite": SQLITE, "postgresql": POSTGRESQL}[editor.connection.vendor]:
        editor.execute(statement)


def unseal(apps, editor):
    for statement in UNDO[editor.connection.vendor]:
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("certification", "0001_initial")]
    operations = [migrations.RunPython(seal, unseal)]
