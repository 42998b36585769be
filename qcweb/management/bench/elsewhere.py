"""Our commands in an installation of their own: a process with its own data directory."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings


def manage(site: Path, *words: str) -> str:
    """Run a command of ours there, embedded, and return the last line it printed.

    Raises
    ------
    RuntimeError
        The command failed, with all it said.
    """
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
        env=environment | {"HCM_DATA_DIR": str(site), "HCM_LEASE_S": "20", "HCM_SWEEP_S": "2"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return "".join(done.stdout.strip().splitlines()[-1:])
