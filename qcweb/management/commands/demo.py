"""Three simulated nights through the whole system: the way to see it within two minutes."""

import json
import os
import sys
import time
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pipelines.models import Hold
from qcweb import demo
from qcweb.supervisor import (
    ChildEndedError,
    InUseError,
    PortTakenError,
    Supervisor,
    alone,
    supervised,
    wait_for_page,
)

# As a shell says it of a program that Ctrl-C has ended.
INTERRUPTED = 130


def _port(text: str) -> int:
    """Return a port; the environment's PORT is read by this too."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"PORT={text!r}: expected 1 to 65535")
    return int(text)


class Command(BaseCommand):
    help = "Simulate three nights, process them for real, and show it in the browser."
    is_done = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-server", action="store_true", help="do the work and exit")
        parser.add_argument("--port", type=_port, default=os.environ.get("PORT", "8000"))
        parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 2)
        parser.add_argument("--timeout", type=float, default=600, help="seconds, for all the work")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with alone(settings.HCM_DATA_DIR):
                self._supervise(options)
        except InUseError as error:
            raise CommandError(str(error)) from error

    def _supervise(self, options: dict[str, Any]) -> None:
        with supervised(settings.HCM_DATA_DIR / "logs") as supervisor:
            try:
                self._run(supervisor, options)
            except (PortTakenError, ChildEndedError) as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt:
                self.stdout.write("\nEnding. `make demo` goes on from here.")
                # A script must not take half of the work for all of it.
                if not self.is_done:
                    sys.exit(INTERRUPTED)

    def _run(self, supervisor: Supervisor, options: dict[str, Any]) -> None:
        started = time.monotonic()
        self._prepare()
        if not options["no_server"]:
            self._open(supervisor, options["port"])
        supervisor.start_worker(options["concurrency"])
        first_night = demo.first_night(timezone.now())
        self._say("Importing two years of simulated history")
        demo.import_history(first_night, self._say)
        nights = demo.ingest_nights(first_night, self._say)
        self._wait(supervisor, options["timeout"])
        summary = demo.summarise(nights, time.monotonic() - started)
        wrong = demo.surprises(nights)
        for line in wrong:
            self.stderr.write(line)
        self.stdout.write(json.dumps(summary))
        self.stdout.flush()
        self.is_done = True
        if not options["no_server"]:
            self._stay(supervisor)
        elif wrong:
            sys.exit(1)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _prepare(self) -> None:
        self._say(f"Data in {settings.HCM_DATA_DIR}")
        for name in ("queue", "control"):
            (settings.BROKER_DIR / name).mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        call_command(
            "collectstatic", verbosity=0, interactive=False,
            ignore_patterns=["datasets", "templates", "widgetbundle.js"],
        )  # fmt: skip
        demo.make_logins()
        call_command("load_instruments", stdout=self.stdout, stderr=self.stderr)
        for line in demo.what_is_missing():
            self._say(line)

    def _open(self, supervisor: Supervisor, port: int) -> None:
        supervisor.start_web(port)
        if not wait_for_page(f"http://127.0.0.1:{port}/", 30):
            raise CommandError(
                f"The web server did not start; see {supervisor.log_dir / 'web.log'}"
            )
        self._say(f"\n  Open  http://127.0.0.1:{port}/")
        for login in demo.LOGINS:
            role = login.role.label if login.role else "administrator"
            self._say(f"  Log in as {login.name:6} password {login.password}   ({role})")
        self._say("  Ctrl-C ends everything.\n")

    def _wait(self, supervisor: Supervisor, timeout_s: float) -> None:
        """Follow the work until every block is at rest."""
        if Hold.objects.exists():
            self._say("Work is held and waits: the page Work, or `manage.py work release --all`.")
        deadline = time.monotonic() + timeout_s
        said = ""
        while (progress := demo.progress()).n_open:
            self._tend(supervisor)
            if time.monotonic() > deadline:
                raise CommandError(f"Not done after {timeout_s:g} s: {progress}")
            if str(progress) != said:
                said = str(progress)
                self._say(said)
            time.sleep(0.5)
        self._say(str(progress))

    def _stay(self, supervisor: Supervisor) -> None:
        self._say("All nights are done. The pages stay open until Ctrl-C.")
        while True:
            self._tend(supervisor)
            time.sleep(1)

    def _tend(self, supervisor: Supervisor) -> None:
        for name in supervisor.tend():
            self.stderr.write(
                f"The {name} had ended and is started again; see {supervisor.log_dir}"
            )
