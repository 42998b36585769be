"""One command backs an installation up, one restores it; a bad file costs nothing."""

import contextlib
import io
import json
import subprocess
import tarfile

import pytest

from tests.conftest import find_program
from tests.frames import BIAS, FAST_BIAS, taken, with_defect
from tests.site.services import ROOT, Site, postgresql

PROCESS = """
from pathlib import Path
from django.contrib.auth.models import User
from django.utils import timezone
from pipelines.services.ingest import find_frames, ingest
from pipelines.services.previews import make_due_previews
from tests.conftest import run_to_rest
User.objects.create_user("quinn")
ingest(find_frames(Path("{frames}")), timezone.now())
run_to_rest()
make_due_previews(30)
out = True
"""
FACTS = """
from django.test import Client
from pipelines.models import *
from qcweb.certification.models import Certification
from trending.models import QC1Value, Score
from django.conf import settings
from qcweb.management.backup.manifest import applied_migrations
answers = [
    Client(headers={"host": "localhost"}).get(page).status_code
    for page in ("/", "/work/", "/nights/", "/reports/CCDCAM/bias_level/")
]
answers += [Client(headers={"host": "localhost"}).get(f"/products/{one.pk}/").status_code
            for one in Product.objects.all()]
out = {
    "counts": [m.objects.count() for m in (Instrument, RawFile, AssociationBlock, Attempt, Product,
                                           Preview, QC1Value, Score, Certification)],
    "answers": answers,
    "secret": settings.SECRET_KEY,
    "certified": [str(one.decided_at) for one in Certification.objects.all()],
    "migrations": applied_migrations(),
}
"""
REFUSED = """
from django.db import DatabaseError, connection
try:
    connection.cursor().execute("DELETE FROM certification_certification")
    out = "deleted"
except DatabaseError as error:
    out = str(error).splitlines()[0]
"""
# Without collected static files.
READ = {"HCM_ANONYMOUS_READ": "1", "HCM_DEBUG": "1"}


def answer(site, code):
    """Run code in a site's shell; return what it assigns to `out`."""
    return site.json(code)


def refused(site, *words):
    """Run a command that must fail in words; return them."""
    done = subprocess.run(
        site.command(*words), env=site.env, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


@contextlib.contextmanager
def databases(kind):
    """Give the settings of two installations with a database each."""
    if kind == "sqlite":
        yield READ, READ
        return
    import psycopg

    with postgresql() as url:
        with psycopg.connect(url, autocommit=True) as link:
            link.execute("CREATE DATABASE second")
        other = url.rpartition("/")[0] + "/second"
        yield READ | {"DATABASE_URL": url}, READ | {"DATABASE_URL": other}


@pytest.mark.needs("pg_dump", "initdb")
@pytest.mark.xdist_group("backup")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_backed_up_comes_back_and_a_bad_file_costs_nothing(tmp_path, kind):
    assert find_program("pg_restore")
    with databases(kind) as (here, there):
        site, other = Site(tmp_path / "site", here), Site(tmp_path / "other", there)
        site.run("migrate", "-v", "0")
        site.run("load_instruments")
        frames = taken(
            tmp_path / "frames", BIAS, with_defect(FAST_BIAS, chip="CHIP2", ron_factor=1.4)
        )
        assert answer(site, PROCESS.format(frames=frames))
        before = answer(site, FACTS)
        assert min(before["counts"]) > 0
        assert set(before["answers"]) == {200}
        file = tmp_path / "hcm.tar"
        site.run("backup", str(file))
        assert file.stat().st_mode & 0o077 == 0
        assert "is there already" in refused(site, "backup", str(file))

        assert other.run("restore", str(file)).count("rows") == 0
        assert answer(other, FACTS) == before
        assert "a certification is history" in answer(other, REFUSED)
        assert (other.data_dir / "secret_key").stat().st_mode & 0o077 == 0
        _bad_files_change_nothing(other, file, tmp_path, before)

        answer(other, "from pipelines.models import Act\nfrom django.contrib.auth.models import User\n"
                   "User.objects.create_user('after')\nout = 1")  # fmt: skip
        assert "There is an installation already" in refused(other, "restore", str(file))
        said = other.run("restore", "--force", str(file))
        assert answer(other, FACTS) == before
        kept = next(other.data_dir.glob("replaced-*/products"))
        assert str(kept.parent) in said
        assert list(kept.parent.glob("database.pgdump" if kind == "postgresql" else "*.sqlite3"))


def _bad_files_change_nothing(other, file, folder, before):
    content = file.read_bytes()
    bad = folder / "bad.tar"
    spoilt = bytearray(content)
    with tarfile.open(file) as tar:
        member = next(one for one in tar if one.name.startswith("products/"))
    spoilt[member.offset_data + 100] ^= 0xFF
    with tarfile.open(folder / "foreign.tar", "w") as tar:
        tar.add(file, arcname="../escape")
    table = {
        "cut off": (content[: len(content) // 2], "no whole backup"),
        "changed": (bytes(spoilt), "is not as it was written"),
        "text": (b"a backup, honestly", "no whole backup"),
        "empty": (b"", "no whole backup"),
        "foreign": ((folder / "foreign.tar").read_bytes(), "no manifest"),
    }
    for name, (data, said) in table.items():
        bad.write_bytes(data)
        words = refused(other, "restore", "--force", str(bad))
        assert said in words, (name, words)
        assert "Nothing has changed." in words, name
    assert answer(other, FACTS) == before
    assert list(other.data_dir.glob(".restore-*")) == []


def changed_manifest(source, target, **changes):
    """Copy a backup with another manifest."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            data = old.extractfile(member)
            assert data is not None
            if member.name == "manifest.json":
                content = json.dumps(json.load(data) | changes).encode()
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
            else:
                new.addfile(member, data)
    return target


@pytest.mark.xdist_group("backup")
def test_an_older_backup_is_brought_up_to_date_and_a_newer_one_refused(tmp_path):
    old = Site(tmp_path / "old", READ)
    for app, name in (("certification", "0003"), ("trending", "0002"), ("auth", None),
                      ("sessions", None), ("pipelines", "0007")):  # fmt: skip
        old.run("migrate", "-v", "0", app, *([name] if name else []))
    file = tmp_path / "old.tar"
    write = "from pathlib import Path\nfrom qcweb.management.backup.archive import write_backup\n"
    migrations = answer(old, f"{write}out = write_backup(Path('{file}')).migrations")
    assert "pipelines.0007_frames_and_folders" in migrations
    assert "pipelines.0008_work_under_control" not in migrations

    new = Site(tmp_path / "new", READ)
    new.run("restore", str(file))
    assert "pipelines.0008_work_under_control" in answer(new, FACTS)["migrations"]
    for changes, said in (
        ({"migrations": ["pipelines.9999_tomorrow"], "version": "9.0"}, "made by version 9.0"),
        ({"format": 2}, "has format 2"),
        ({"database": "postgresql"}, "goes back to the kind of database"),
        ({"files": {}}, "does not belong into a backup"),
    ):
        bad = changed_manifest(file, tmp_path / "bad.tar", **changes)
        assert said in refused(new, "restore", "--force", str(bad))


@pytest.mark.xdist_group("backup")
def test_nothing_is_restored_below_workers_that_are_alive(tmp_path):
    site = Site(tmp_path / "site", READ)
    site.run("migrate", "-v", "0")
    site.run("backup", str(tmp_path / "hcm.tar"))
    answer(site, "from pipelines.services.workers import say_alive\n"
              "say_alive('host:1', queues=[], concurrency=1, version='')\nout = 1")  # fmt: skip
    said = refused(site, "restore", "--force", str(tmp_path / "hcm.tar"))
    assert "Workers are alive: host:1. Stop web, workers and beat first." in said
