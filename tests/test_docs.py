"""The docs name what exists: every setting, command, task, state and reason."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from pipelines.models import Completeness, ProcessStatus
from qcweb import tasks
from qcweb.certification.models import Decision
from trending.domain.scoring import GreyReason

ROOT = Path(__file__).resolve().parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def settings_read():
    found = set()
    for path in [*(ROOT / "qcweb").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")]:
        found |= set(
            re.findall(r'"(HCM_[A-Z_]+|DATABASE_URL|CELERY_BROKER_URL)"', path.read_text())
        )
    return sorted(found)


@pytest.mark.parametrize("name", settings_read())
def test_every_setting_is_explained(name):
    assert f"`{name}`" in text("docs/settings.md")


@pytest.mark.parametrize("name", sorted(n for n, app in get_commands().items() if app == "qcweb"))
def test_every_command_is_explained(name):
    assert f"`{name}" in text("docs/settings.md")


@pytest.mark.parametrize("task", [tasks.advance, tasks.sweep, tasks.checksum])
def test_every_task_is_explained(task):
    assert f"`{task.name}`" in text("docs/settings.md")


@pytest.mark.parametrize("state", [*ProcessStatus, *Completeness, *Decision][:-1])
def test_every_state_is_in_the_glossary(state):
    assert state.value in text("docs/glossary.md")


@pytest.mark.parametrize("reason", list(GreyReason))
def test_every_reason_for_grey_is_explained(reason):
    assert reason.words.partition(",")[0] in text("docs/scoring.md")


def targets():
    return re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE)


def test_each_target_of_make_has_its_line_of_help():
    assert {"demo", "test", "check", "dev", "worker", "bench", "shell"} <= set(targets())
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(targets())


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_no_address_of_a_registry_is_committed():
    for name in ("requirements.txt", "requirements-dev.txt"):
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text(name))
