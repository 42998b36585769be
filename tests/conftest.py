"""Shared by all tests: a cast of people, loaded instruments, nights that ran."""

import datetime as dt
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument
from pipelines.services.ingest import IngestReport, find_frames, ingest
from qcweb import workflow
from qcweb.people.models import Role
from qcweb.people.services.rights import give

# A busy machine is no mistake of the code.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): the test needs these system programs")
    config.addinivalue_line("markers", "full: slow, or fetches what is not here: make test-full")


def pytest_report_header() -> str:
    return f"data in {settings.HCM_DATA_DIR}, database {settings.DATABASES['default']['ENGINE']}"


def pytest_sessionfinish() -> None:
    shutil.rmtree(settings.HCM_DATA_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def _programs_are_there(request: pytest.FixtureRequest) -> None:
    """Skip a test whose programs are missing; where everything is required, fail."""
    for marker in request.node.iter_markers("needs"):
        for program in marker.args:
            if find_program(program) is None:
                cannot_run(f"needs {program}: see packages.txt")


def cannot_run(said: str) -> NoReturn:
    """End a test that lacks something of the machine: skipped, or failed where all is required."""
    if os.environ.get("HCM_REQUIRE_ALL") == "1":
        pytest.fail(said)
    pytest.skip(said)


def find_program(name: str) -> str | None:
    """Return where a program is; PostgreSQL's server programs are off the path on Debian."""
    if found := shutil.which(name):
        return found
    servers = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(servers[0]) if servers else None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: object) -> None:
    """Open the seals of append-only histories: the test runner empties tables between tests."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("UPDATE certification_seal SET is_open = 1")
        cursor.execute("UPDATE audit_seal SET is_open = 1")


@pytest.fixture
def quinn(db: None) -> User:
    """Quinn certifies, whatever the instrument."""
    user = User.objects.create_user("quinn", password="quinn-certifies")
    give(user, Role.SCIENTIST, None, "tests", timezone.now())
    return user


@pytest.fixture
def uma(instruments: None) -> User:
    """Uma certifies UVES, and nothing else."""
    user = User.objects.create_user("uma", password="uma-of-uves")
    give(user, Role.SCIENTIST, Instrument.objects.get(name="UVES"), "tests", timezone.now())
    return user


@pytest.fixture
def cara(instruments: None) -> User:
    """Cara certifies CCDCAM, and nothing else."""
    user = User.objects.create_user("cara", password="cara-of-ccdcam")
    give(user, Role.SCIENTIST, Instrument.objects.get(name="CCDCAM"), "tests", timezone.now())
    return user


@pytest.fixture
def root(db: None) -> User:
    """Root gives rights."""
    return User.objects.create_superuser("root", password="root-roots-it")


@pytest.fixture
def vera(db: None) -> User:
    """Vera views, and asks for a refresh: observatory staff."""
    user = User.objects.create_user("vera", password="vera-watches")
    give(user, Role.STAFF, None, "tests", timezone.now())
    return user


@pytest.fixture
def stan(db: None) -> User:
    """Stan is a stranger with an account and no role."""
    return User.objects.create_user("stan", password="stan-strays")


@pytest.fixture
def instruments(db: None) -> None:
    """The instruments of the demo, loaded."""
    call_command("load_instruments", stdout=io.StringIO())


@pytest.fixture
def take(instruments: None) -> Callable[[Path], IngestReport]:
    """Ingest the frames of a directory."""
    return lambda directory: ingest(find_frames(directory), timezone.now())


def run_to_rest(limit: int = 2000) -> None:
    """Do every block's next steps until nothing is left to do, as workers would, in this process."""
    for _ in range(limit):
        later = timezone.now() + dt.timedelta(days=1)
        due = workflow.due_blocks(later)
        if not due:
            return
        AssociationBlock.objects.filter(pk__in=due).update(next_try_at=None)
        for block_id in due:
            workflow.advance(block_id)
    raise AssertionError("The blocks never came to rest.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest in one piece: begun last, it would end alone."""
    items.sort(key=lambda item: "tests/site/test_database" not in item.nodeid)
