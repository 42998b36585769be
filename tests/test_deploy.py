"""What is shipped to set a site up: units, compose file and settings that mean something here."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest

from qcweb.settings import CELERY_TASK_QUEUES

DEPLOY = Path(__file__).resolve().parents[1] / "docs" / "deploy"
UNITS = sorted(one.name for one in DEPLOY.glob("*.service"))
COMMANDS = re.compile(r"gunicorn qcweb\.wsgi |celery -A qcweb (worker|beat)|manage\.py backup")


def compose():
    # A dependency of the API's schema.
    return importlib.import_module("yaml").safe_load((DEPLOY / "compose.yml").read_text())


def test_the_compose_file_has_the_services_of_a_site():
    services = compose()["services"]
    assert set(services) == {"db", "broker", "web", "worker", "beat"}
    for name in ("web", "worker", "beat"):
        assert COMMANDS.search(services[name]["command"]), name
        assert services[name]["environment"]["HCM_DATA_DIR"] == "/data"
        assert services[name]["volumes"] == ["data:/data"]
        assert set(services[name]["depends_on"]) == {"db", "broker"}
    (queues,) = re.findall(r"-Q (\S+)", services["worker"]["command"])
    assert {one.name for one in CELERY_TASK_QUEUES} == set(queues.split(","))
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_something_of_ours_as_its_own_user(name):
    text = (DEPLOY / name).read_text()
    assert COMMANDS.search(text)
    assert "User=hcm" in text
    assert "EnvironmentFile=/etc/hcm.env" in text


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", [*UNITS, "hcm-backup.timer"])
def test_systemd_understands_a_unit(name):
    done = subprocess.run(
        ["systemd-analyze", "verify", str(DEPLOY / name)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    # The program itself is not installed where the units say.
    wrong = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert [line for line in wrong if "hcm" in line] == []


def test_the_settings_that_are_shipped_are_known():
    known = (DEPLOY.parent / "settings.md").read_text()
    text = (DEPLOY / "hcm.env").read_text() + str(compose())
    names = set(re.findall(r"\b(HCM_[A-Z_]+|DATABASE_URL|CELERY_BROKER_URL)\b", text))
    assert len(names) >= 8
    assert [name for name in names if f"`{name}`" not in known] == []


def test_commands_that_pages_and_the_doctor_name_are_there():
    root = DEPLOY.parents[1]
    said = "".join(
        path.read_text()
        for path in [root / "templates" / "work.html", *(root / "qcweb/management").rglob("*.py")]
    )
    units = set(re.findall(r"systemctl (?:re)?start (hcm-[a-z]+@?)", said))
    assert units == {"hcm-worker@", "hcm-beat"}
    assert all((DEPLOY / f"{unit}.service").exists() for unit in units)
