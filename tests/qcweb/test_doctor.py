"""The doctor finds what is wrong, says what to do, and never falls ill itself."""

import datetime as dt
import io
import json
import os
import shutil
import stat
from collections import namedtuple
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from pipelines.models import Chore, Instrument
from pipelines.services.control import hold
from pipelines.services.workers import say_alive
from qcweb import tasks
from qcweb.celery import app
from qcweb.management.doctor import places, recipes, services
from qcweb.management.doctor.finding import Level, run

pytestmark = pytest.mark.django_db
Disk = namedtuple("Disk", "total used free")


def examine(*words):
    out = io.StringIO()
    status = 0
    try:
        call_command("doctor", *words, stdout=out)
    except SystemExit as error:
        status = int(error.code or 0)
    return out.getvalue(), status


def levels(findings, check):
    return {one.level for one in findings if one.check == check}


@pytest.fixture
def healthy(instruments, settings):
    say_alive("host:1", queues=["blocks", "clock"], concurrency=2, version=settings.VERSION)
    tasks.sweep()


@pytest.mark.needs("esorex")
def test_a_healthy_installation_is_all_fine(healthy):
    said, status = examine()
    assert "FAIL" not in said, said
    assert status == 0
    for check in ("database", "migrations", "broker", "workers", "sweep", "data directory",
                  "recipes", "rules", "clock"):  # fmt: skip
        assert f" {check} " in said


def test_what_is_broken_fails_and_says_what_to_do(instruments):
    said, status = examine("--json")
    found = {(one["check"], one["level"]): one for one in json.loads(said)}
    assert status == 1
    assert "systemctl start" in found["workers", "FAIL"]["todo"]
    assert found["sweep", "FAIL"]["said"] == "has never run."
    assert all(one["todo"] for one in found.values() if one["level"] != "ok")


def test_a_stale_sweep_and_another_version_are_seen(healthy):
    Chore.objects.filter(name="sweep").update(started_at=timezone.now() - dt.timedelta(hours=1))
    say_alive("host:2", queues=["blocks"], concurrency=1, version="0.0.1")
    found = list(services.workers())
    assert levels(found, "sweep") == {Level.FAIL}
    assert levels(found, "workers") == {Level.OK, Level.WARN}


def test_a_broker_that_does_not_answer_is_a_finding(settings, monkeypatch):
    monkeypatch.setattr(app.conf, "broker_read_url", None)
    monkeypatch.setattr(app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    (found,) = run("broker", services.broker)
    assert found.level == Level.FAIL
    assert "Is CELERY_BROKER_URL right" in found.todo


def test_a_check_that_breaks_is_a_finding_of_one_line():
    def broken():
        yield from ()
        raise ValueError("first line\nsecond line")

    (found,) = run("clock", broken)
    assert (found.level, found.said) == (
        Level.FAIL, "could not be looked at: ValueError: first line",
    )  # fmt: skip


def test_migrations_that_are_left_are_counted(monkeypatch):
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [1, 2])
    found = list(services.database())
    assert levels(found, "migrations") == {Level.FAIL}
    assert levels(found, "database") == {Level.OK}


@pytest.mark.parametrize(
    ("disk", "level"),
    [(Disk(1e12, 0, 5e11), Level.OK), (Disk(1e12, 0, 5e10), Level.WARN),
     (Disk(5e10, 0, 8e9), Level.WARN), (Disk(1e12, 0, 1e10), Level.FAIL),
     (Disk(1e10, 0, 5e8), Level.FAIL)],
    ids=["room", "five per cent", "eight GB", "one per cent", "half a GB"],
)  # fmt: skip
def test_a_full_disk_is_seen(monkeypatch, disk, level):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    assert levels(places.directories(), "data directory") == {level}


def test_a_directory_that_is_none_or_has_a_blank_fails(settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.HCM_DATA_DIR = tmp_path / "file" / "data"
    settings.HCM_WORK_DIR = tmp_path / "two words"
    found = list(places.directories())
    assert levels(found, "data directory") == {Level.FAIL}
    assert Level.FAIL in levels(found, "work directory")
    assert any("has a blank" in one.said for one in found)


@pytest.mark.parametrize(
    ("seconds", "level"), [(0.5, Level.OK), (-5, Level.WARN), (100, Level.FAIL)]
)
def test_clocks_that_differ_are_seen(seconds, level):
    assert places._apart("the database", seconds).level == level


def test_recipes_that_are_missing_fail(instruments, monkeypatch):
    monkeypatch.setattr(recipes, "find_esorex", lambda: None)
    Instrument.objects.filter(name="CCDCAM").update(recipes={"hcm_magic": {}})
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = list(recipes.recipes())
    assert [one.level for one in found] == [Level.WARN] * 2 + [Level.FAIL] * 3
    assert "hcm_magic" in found[2].said
    assert "apt-get install esorex" in found[3].todo


def test_folders_that_changed_broke_or_went_are_told_apart(instruments, tmp_path):
    Instrument.objects.filter(name="CCDCAM").update(digest="another")
    Instrument.objects.filter(name="MUSE").update(folder=str(tmp_path / "gone"))
    (tmp_path / "instrument.toml").write_text("name = ")
    Instrument.objects.filter(name="UVES").update(folder=str(tmp_path))
    found = {one.said.partition(":")[0]: one.level for one in recipes.rules()}
    assert found["CCDCAM"] == found["MUSE"] == Level.WARN
    assert found["HCM"] == Level.OK
    assert sorted(found.values()).count(Level.FAIL) == 1


def test_without_instruments_it_says_how_to_load_them(db):
    found = list(recipes.rules())
    assert {one.todo for one in found} == {"python manage.py load_instruments"}
    assert found[-1].level == Level.FAIL


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"DEBUG": True}, "HCM_DEBUG"), ({"ALLOWED_HOSTS": ["*"]}, "is *"),
     ({"ALLOWED_HOSTS": ["hcm.example.org"], "HTTPS": False}, "HCM_HTTPS")],
)  # fmt: skip
def test_settings_that_are_not_for_a_site_are_named(settings, wrong, said):
    for name, value in wrong.items():
        setattr(settings, name, value)
    assert any(said in one.said for one in places.site_settings() if one.level == Level.WARN)


def test_a_secret_that_others_can_read_fails(settings, tmp_path):
    settings.HCM_DATA_DIR = tmp_path
    settings.ALLOWED_HOSTS, settings.HTTPS = ["hcm.example.org"], True
    key = tmp_path / "secret_key"
    key.write_text("key")
    key.chmod(0o644)
    (found,) = places.site_settings()
    assert (found.level, found.todo) == (Level.FAIL, f"chmod 600 {key}")
    key.chmod(stat.S_IRUSR | stat.S_IWUSR)
    (found,) = places.site_settings()
    assert found.level == Level.OK


def test_a_database_file_that_cannot_be_written_fails(monkeypatch):
    monkeypatch.setattr(connection, "vendor", "sqlite")
    monkeypatch.setattr(os, "access", lambda path, _mode: False)
    monkeypatch.setitem(connection.settings_dict, "NAME", str(Path.cwd()))
    assert {one.level for one in services._file()} == {Level.FAIL}


def test_a_hold_that_was_forgotten_is_named(healthy):
    hold(None, timezone.now(), None, "power")
    (found,) = [one for one in run("workers", services.workers) if one.level == Level.WARN]
    assert "1 hold, the oldest since" in found.said
