"""Parts of an installation are killed while a night is processed: it ends as if nothing had been."""

import json
import subprocess
import sys

import pytest

from tests.site.services import ROOT

pytestmark = pytest.mark.xdist_group("site")


def chaos(*words):
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "chaos", *words], cwd=ROOT,
        capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    return done, done.stdout.strip().splitlines()


@pytest.mark.needs("postgres", "initdb", "redis-server")
def test_nothing_is_lost_and_nothing_doubled():
    done, said = chaos("--kills", "12", "--seed", "5", "--nights", "1", "--instrument", "CCDCAM")
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(said[-1])
    assert list(summary) == ["kills", "blocks", "lost", "doubled", "seconds"]
    assert (summary["kills"], summary["lost"], summary["doubled"]) == (12, 0, 0)
    assert summary["blocks"] == 8


def test_what_was_lost_or_doubled_is_seen():
    """The verdict itself: a block that stands otherwise, a row too many, a run that never ended."""
    from qcweb.management.chaos.facts import compare

    stands = {"status": "SUCCESSFUL", "rows": [["t", "d", "c", "1"]]}
    expected = {"blocks": {"a": stands, "b": stands}}
    assert compare(expected, {"blocks": {"a": stands, "b": stands}}) == []
    wrong = compare(expected, {"blocks": {"a": stands | {"status": "FAILED"}}})
    assert wrong == ["a: status: FAILED, not SUCCESSFUL", "b: it is not there"]


def test_a_wrong_call_is_told():
    done, _ = chaos("--kills", "-1")
    assert done.returncode == 1
    assert "--kills: expected a number from 0" in done.stderr
