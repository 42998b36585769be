"""What depends on the database runs on PostgreSQL too: the same tests, in a pytest of their own."""

import os
import re
import subprocess
import sys

import pytest

from tests.site.services import ROOT, postgresql

CORE = [
    "tests/trending/test_models.py",
    "tests/trending/services",
    "tests/pipelines/test_models.py",
    "tests/pipelines/test_migrations.py",
    "tests/pipelines/services",
    "tests/qcweb/test_rules_by_date.py",
    "tests/qcweb/test_roots_commands.py",
    "tests/qcweb/certification",
    "tests/qcweb/test_workflow.py",
    "tests/qcweb/test_instrument_folders.py",
    "tests/qcweb/test_delay.py",
    "tests/qcweb/test_doctor.py",
    "tests/qcweb/test_metrics.py",
    "tests/qcweb/test_prune.py",
    "tests/qcweb/web/test_monitor.py",
]
DOORS = [
    "tests/qcweb/api/test_rows.py",
    "tests/qcweb/api/test_ingest.py",
    "tests/qcweb/api/test_tap.py",
    "tests/qcweb/api/test_trend.py",
    "tests/qcweb/api/test_hostile.py",
    "tests/qcweb/api/test_lists.py",
    "tests/qcweb/api/test_resources.py",
    "tests/qcweb/api/test_decisions.py",
    "tests/qcweb/people",
    "tests/qcweb/test_access.py",
    "tests/qcweb/test_login.py",
    "tests/qcweb/web/test_audit.py",
]
# Tables of what is refused before anything is written, and runs of real recipes that lock nothing.
NO_DATABASE = " or ".join(
    [
        "a_mistake_is_named",
        "(test_reprocess and not is_taken and not replaced)",
        "(test_shipped_rules and organised)",
    ]
)


@pytest.mark.needs("initdb")
@pytest.mark.xdist_group("postgresql")
def test_what_depends_on_the_database_passes_on_postgresql():
    passes(CORE, least=580)


@pytest.mark.needs("initdb")
@pytest.mark.xdist_group("postgresql-api")
def test_the_doors_for_programs_pass_on_postgresql():
    passes(DOORS, least=450)


def passes(files: list[str], least: int) -> None:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HCM_", "PYTEST_")) and key != "DJANGO_SETTINGS_MODULE"
    }
    with postgresql() as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "0", "-k", f"not ({NO_DATABASE})", *files],
            env=kept | {"DATABASE_URL": url}, cwd=ROOT, capture_output=True, text=True, timeout=1200,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:]
    assert "database django.db.backends.postgresql" in done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= least
    # What SQLite leaves out is not left out here.
    assert "tests/site/test_database.py runs it" not in done.stdout
