"""`relocate`, `verify` and `round`, as an operator types them."""

import io
import shutil

import pytest
from django.core.management import CommandError, call_command

from pipelines.models import AssociationBlock, RawFile, Root, Round
from tests.frames import BIAS, DARK, taken

pytestmark = pytest.mark.django_db


def run(*words):
    """Run a command; return what it wrote, what it complained of, and its last words."""
    out, err, last = io.StringIO(), io.StringIO(), ""
    try:
        call_command(*map(str, words), stdout=out, stderr=err)
    except CommandError as error:
        last = str(error)
    return out.getvalue(), err.getvalue(), last


@pytest.fixture
def raw(instruments, tmp_path):
    directory = taken(tmp_path / "raw", BIAS)
    run("ingest", directory, "--quiet")
    return directory


def test_relocate_alone_lists_the_roots(raw):
    RawFile.objects.first().full_path.unlink()
    run("verify")
    assert run("relocate")[0] == f"raw: {raw}: 3 frames, 1 gone from disk\n"


def test_relocate_without_any_frame_says_so():
    assert run("relocate")[0] == "No frames are registered yet.\n"


def test_relocate_takes_a_root_to_where_its_files_are(raw, tmp_path):
    shutil.move(raw, tmp_path / "new")
    said, errors, last = run("relocate", "raw", tmp_path / "new")
    assert (said, errors, last) == (f"raw: 3 frames below {tmp_path / 'new'}.\n", "", "")
    assert run("verify")[2] == ""


def test_relocate_moves_the_files_itself_when_asked(raw, tmp_path):
    target = tmp_path / "deep" / "new"
    assert run("relocate", "raw", target, "--move")[2] == ""
    assert (len(list(target.glob("*.fits"))), raw.exists()) == (3, False)
    assert "exists" in run("relocate", "raw", target, "--move")[2]


def test_relocate_to_where_they_are_not_changes_nothing(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    _, errors, last = run("relocate", "raw", tmp_path / "empty")
    assert errors.count("gone from disk") == 3
    assert last.startswith("3 of 3 frames are not as registered below")
    assert Root.objects.get().path == str(raw)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("other", "/nowhere"), "There is no root 'other'. Known are: raw."),
        (("raw",), "Where is root raw now? Give its directory."),
        (("raw", "/nowhere"), "/nowhere: there is no such directory."),
        (("raw", "--rename", "a/b"), "'a/b': expected letters, digits, - and _, at most 64."),
    ],
)
def test_relocate_says_what_is_wrong(raw, words, said):
    assert run("relocate", *words)[2] == said


def test_a_root_is_renamed(raw):
    assert run("relocate", "raw", "--rename", "paranal")[0] == "raw is called paranal now.\n"
    assert Root.objects.get().name == "paranal"


def test_verify_counts_and_fails_when_something_is_missing(raw):
    said, errors, last = run("verify")
    assert said.splitlines() == [
        f"raw ({raw}): 3 frames, 0 missing or changed",
        "products: 0 files, 0 missing or changed",
    ]
    assert (errors, last) == ("", "")
    path = RawFile.objects.first().full_path
    path.unlink()
    said, errors, last = run("verify", "--root", "raw", "--checksums")
    assert said == f"raw ({raw}): 3 frames, 1 missing or changed, 2 without a checksum yet\n"
    assert (errors, last) == (f"{path}: gone from disk\n", "1 files are missing or changed.")


@pytest.mark.django_db(transaction=True)  # watch gives connections back between two looks
def test_a_round_looks_where_watch_has_looked(instruments, tmp_path, monkeypatch):
    from pipelines.services import rounds

    monkeypatch.setattr(rounds, "QUIET_S", 0.0)
    directory = tmp_path / "incoming"
    directory.mkdir()
    run("watch", directory, "--quiet", 0, "--every", 0.01, "--once")
    assert Root.objects.get().is_followed
    taken(directory, DARK)
    said, errors, last = run("round")
    assert said.splitlines() == [
        "incoming: 3 registered, 1 new blocks",
        "CCDCAM: nothing new",
        "MUSE: nothing new",
        "UVES: nothing new",
    ]
    assert (errors, last) == ("", "")
    assert AssociationBlock.objects.count() == 1
    assert Round.objects.exclude(finished_at=None).count() == 4
    assert run("round", "incoming")[0] == "incoming: nothing new\n"


def test_a_round_of_nobody_is_refused(instruments):
    assert run("round", "FORS2")[2] == (
        "'FORS2' has no round. Known are: incoming, CCDCAM, MUSE, UVES."
    )


def test_a_round_that_fails_stops_no_other(instruments, monkeypatch):
    from pipelines.services import rounds

    monkeypatch.setattr(
        rounds, "_look_for_frames", lambda *_: (_ for _ in ()).throw(OSError("no disk"))
    )
    said, errors, last = run("round", "incoming", "UVES")
    assert (said, last) == ("UVES: nothing new\n", "1 rounds failed.")
    assert errors == "incoming: failed: OSError: no disk\n"
