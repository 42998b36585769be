"""Every rule file in the source packages of ESO's pipelines is read; none of them is kept here."""

import io
import sys
import tarfile
import zipfile
from collections.abc import Iterator

import pytest

from pipelines.domain.oca import OcaSyntaxError, lint, parse, print_rules
from tests.full.debian import Sources, source_lists

pytestmark = pytest.mark.full

PACKAGES = ("uves", "muse", "hawki", "giraf", "vimos", "visir", "naco", "amber", "fors", "xshoo")
DEEPEST = 4


def rule_files(name: str, raw: bytes, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield name and text of the rule files in an archive, and in the archives within it."""
    for member, content in members(raw):
        if member.endswith(".oca"):
            yield f"{name}:{member}", content.decode("latin-1")
        elif depth < DEEPEST and is_archive(member):
            yield from rule_files(f"{name}:{member}", content, depth + 1)


def is_archive(name: str) -> bool:
    return ".tar" in name or name.endswith((".tgz", ".kar", ".zip"))


def members(raw: bytes) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
        return
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for one in archive:
            if one.isfile() and (one.name.endswith(".oca") or is_archive(one.name)):
                yield one.name, archive.extractfile(one).read()


@pytest.fixture(scope="module")
def say():
    """Write a line for whoever runs the tests."""
    return lambda line: sys.stdout.write(f"{line}\n")


@pytest.fixture(scope="module")
def texts(say):
    """The rule files of all packages that answer, by where they are."""
    assert source_lists(), "this machine has no list of a Debian archive: see /etc/apt"
    sources = Sources()
    if wrong := sources.update():
        say(f"apt-get update: {wrong}")
    found: dict[str, str] = {}
    silent: list[str] = []
    for name in PACKAGES:
        package = f"cpl-plugin-{name}"
        # What is in the cache is the same: the version is in the file's name.
        wrong = "" if sources.archives(package) else sources.fetch(package)
        archives = sources.archives(package)
        if not archives:
            silent.append(f"{package}: {wrong}")
        for archive in archives:
            found.update(rule_files(archive.name, archive.read_bytes()))
    say(f"\n{len(PACKAGES) - len(silent)} of {len(PACKAGES)} source packages answer")
    for one in silent:
        say(f"no answer: {one}")
    assert len(silent) < len(PACKAGES), "no package answers"
    return found


def outcome(text):
    try:
        return parse(text)
    except OcaSyntaxError as error:
        return error


def test_each_rule_file_goes_round_or_is_refused_with_line_and_column(texts, say):
    assert texts, "the packages hold no rule file"
    outcomes = {name: outcome(text) for name, text in texts.items()}
    refused = {name: one for name, one in outcomes.items() if isinstance(one, OcaSyntaxError)}
    say(f"{len(texts)} rule files, {len(refused)} of them refused")
    for name, error in refused.items():
        say(f"refused: {name}:{error}")
        assert error.line >= 1
        assert error.column >= 1
    assert len(refused) < len(texts)
    for name in outcomes.keys() - refused.keys():
        printed = print_rules(outcomes[name])
        assert parse(printed) == outcomes[name], name
        assert print_rules(parse(printed)) == printed, name
        lint(outcomes[name])
