"""Settings from the environment: a wrong value stops the start and says what was expected."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from qcweb import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def given(monkeypatch):
    def give(value):
        if value is None:
            monkeypatch.delenv("X", raising=False)
        else:
            monkeypatch.setenv("X", value)

    return give


@pytest.mark.parametrize(
    ("value", "result"),
    [("1", True), ("true", True), ("YES", True), ("on", True),
     ("0", False), ("False", False), ("no", False), ("off", False), ("", False), (None, False)],
)  # fmt: skip
def test_a_flag_is_yes_or_no(given, value, result):
    given(value)
    assert env.flag("X") is result


@pytest.mark.parametrize("value", ["2", "ja", "tru e", "None"])
def test_any_other_flag_is_refused(given, value):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=f"X='{value}': expected 1 or 0"):
        env.flag("X")


def test_a_flag_that_is_not_given_has_its_default(given):
    given(None)
    assert env.flag("X", default=True) is True


@pytest.mark.parametrize(("value", "result"), [(None, 5.0), ("2", 2.0), ("2.5", 2.5), ("10", 10.0)])
def test_a_number_lies_in_its_range(given, value, result):
    given(value)
    assert env.number("X", 5, low=2, high=10) == result


@pytest.mark.parametrize(
    ("value", "words"),
    [("1.9", "expected 2 to 10"), ("10.1", "expected 2 to 10"), ("nan", "expected 2 to 10"),
     ("inf", "expected 2 to 10"), ("ten", "expected a number"), ("", "expected a number")],
)  # fmt: skip
def test_any_other_number_is_refused(given, value, words):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=f"X='{value}': {words}"):
        env.number("X", 5, low=2, high=10)


@pytest.mark.parametrize(
    ("value", "amount", "seconds"),
    [(None, 600, 60), ("20/minute", 20, 60), (" 5 per 2 hours ", 5, 7200), ("1/second", 1, 1)],
)
def test_a_rate_is_so_many_in_some_time(given, value, amount, seconds):
    given(value)
    rate = env.rate("X", "600/minute")
    assert (rate.amount, rate.get_expiry()) == (amount, seconds)


@pytest.mark.parametrize("value", ["", " "])
def test_no_rate_is_no_limit(given, value):
    given(value)
    assert env.rate("X", "600/minute") is None


@pytest.mark.parametrize(
    "value", ["600", "many", "0/minute", "600/min", "-1/minute", "1/second;9/hour", "1.5/second"]
)
def test_any_other_rate_is_refused(given, value):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=f"X='{value}': expected"):
        env.rate("X", "600/minute")


@pytest.mark.parametrize(
    ("value", "result"),
    [(None, ["a"]), ("", []), ("b", ["b"]), (" b , c,, ", ["b", "c"])],
)
def test_words_are_parted_by_commas(given, value, result):
    given(value)
    assert env.words("X", "a") == result


@pytest.mark.parametrize("value", [None, ""])
def test_a_directory_that_is_not_given_is_the_default(given, tmp_path, value):
    given(value)
    assert env.directory("X", tmp_path) == tmp_path
    given("~/data")
    assert env.directory("X", tmp_path) == Path.home() / "data"


def test_a_secret_is_read_from_its_variable_or_its_file(given, monkeypatch, tmp_path):
    kept, file = tmp_path / "kept", tmp_path / "secret"
    file.write_text("from the file\n")
    given(None)
    monkeypatch.setenv("X_FILE", str(file))
    assert env.secret("X", kept) == "from the file"
    given("from the variable")
    assert env.secret("X", kept) == "from the variable"
    assert not kept.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "the file is empty"), (b" \n", "the file is empty"),
     (b"\xff\xfe\x00", "not a text")],
)  # fmt: skip
def test_a_file_without_a_secret_is_refused(given, monkeypatch, tmp_path, content, words):
    given(None)
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("X_FILE", str(file))
    with pytest.raises(ImproperlyConfigured, match=words):
        env.secret("X", tmp_path / "kept")


def test_a_secret_is_made_once_and_kept_for_its_owner_alone(given, tmp_path):
    given(None)
    kept = tmp_path / "new" / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: env.secret("X", kept), range(8)))
    assert made == {kept.read_text()}
    assert len(kept.read_text()) > 50
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


def test_a_secret_that_cannot_be_kept_says_where(given, tmp_path):
    given(None)
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match=r"cannot be made: .*Is HCM_DATA_DIR right"):
        env.secret("X", tmp_path / "file" / "secret_key")


@pytest.mark.parametrize(
    ("url", "engine", "name"),
    [
        (None, "django.db.backends.sqlite3", "/data/a %20?#b/hcm.sqlite3"),
        ("", "django.db.backends.sqlite3", "/data/a %20?#b/hcm.sqlite3"),
        ("sqlite:////srv/hcm.sqlite3", "django.db.backends.sqlite3", "/srv/hcm.sqlite3"),
        ("postgres://u:p@h:5432/hcm", "django.db.backends.postgresql", "hcm"),
        ("postgresql://u:p%40@h/hcm", "django.db.backends.postgresql", "hcm"),
    ],
)
def test_a_database_is_postgresql_or_sqlite(given, url, engine, name):
    given(url)
    found = env.database("X", Path("/data/a %20?#b/hcm.sqlite3"))
    assert (found["ENGINE"], found["NAME"]) == (engine, name)


@pytest.mark.parametrize(
    "url", ["nonsense", "hcm.sqlite3", "mysql://u:p@h/hcm", "postgres://h:port/x"]
)
def test_any_other_database_is_refused_and_no_password_is_shown(given, url):
    given(url)
    with pytest.raises(ImproperlyConfigured, match="expected postgres://") as error:
        env.database("X", Path("hcm.sqlite3"))
    assert "u:p" not in str(error.value)


def check(tmp_path, *words, **settings):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HCM_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(
        [sys.executable, "manage.py", "check", *words],
        env=kept | {"HCM_DATA_DIR": str(tmp_path / "data")} | settings,
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_site_behind_https_has_nothing_to_be_warned_of(tmp_path):
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING", HCM_HTTPS="1")
    assert (done.returncode, done.stdout + done.stderr) == (
        0, "System check identified no issues (0 silenced).\n",
    )  # fmt: skip


def test_a_site_without_https_is_warned(tmp_path):
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 1
    assert "security.W012" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HCM_LEASE_S", "0", "HCM_LEASE_S='0': expected 2 to 3600."),
        ("HCM_RATE_TOKEN", "often", "HCM_RATE_TOKEN='often': expected a rate, 600/minute"),
        ("HCM_RATE_ADDRESS", "0/hour", "HCM_RATE_ADDRESS='0/hour': expected at least one"),
        ("HCM_PROXIES", "-1", "HCM_PROXIES='-1': expected 0 to 10."),
        ("HCM_DEBUG", "maybe", "HCM_DEBUG='maybe': expected 1 or 0"),
        ("HCM_MAX_ATTEMPTS", "many", "HCM_MAX_ATTEMPTS='many': expected a number."),
        ("DATABASE_URL", "mysql://h/x", "expected postgres://"),
        ("HCM_SECRET_KEY_FILE", "/nowhere/key", "HCM_SECRET_KEY_FILE='/nowhere/key': No such file"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_one_line(tmp_path, name, value, words):
    done = check(tmp_path, **{name: value})
    assert done.returncode == 1
    assert words in done.stderr.strip().splitlines()[-1]


def test_what_comes_by_the_clock_never_waits_behind_blocks(settings):
    from qcweb import tasks
    from qcweb.celery import app

    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert app.amqp.router.route({}, entry["task"])["queue"].name == "clock", entry["task"]
    known = {name.removeprefix("qcweb.tasks.") for name in vars(tasks)}
    for name in settings.CELERY_TASK_ROUTES:
        assert name.removeprefix("qcweb.tasks.") in known
