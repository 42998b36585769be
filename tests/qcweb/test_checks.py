"""System checks have stable names and say what to do."""

import pytest
from django.core.checks import run_checks

from pipelines.recipes import esorex
from qcweb.checks import esorex_is_installed, times_are_utc


@pytest.fixture
def without_esorex(monkeypatch, tmp_path):
    esorex.find_esorex.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    yield
    esorex.find_esorex.cache_clear()


def test_without_esorex_there_is_a_warning_with_a_hint(without_esorex):
    [warning] = esorex_is_installed()
    assert (warning.id, warning.is_serious()) == ("pipelines.W001", False)
    assert "apt-get install esorex" in str(warning.hint)


@pytest.mark.needs("esorex")
def test_with_esorex_there_is_none():
    assert esorex_is_installed() == []


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"TIME_ZONE": "Europe/Berlin"}, ["pipelines.E001"]),
        ({"USE_TZ": False}, ["pipelines.E001"]),
    ],
    ids=["UTC", "local time", "naive times"],
)
def test_every_time_is_ut(settings, changes, ids):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert [error.id for error in times_are_utc()] == ids


def test_the_checks_are_registered(settings, without_esorex):
    settings.USE_TZ = False
    assert {"pipelines.W001", "pipelines.E001"} <= {message.id for message in run_checks()}
