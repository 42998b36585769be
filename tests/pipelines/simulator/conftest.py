import shutil

import pytest

from tests.conftest import cannot_run
from tests.pipelines.simulator.observatory import find_plugins


@pytest.fixture(scope="session")
def esorex():
    """EsoRex with the UVES and MUSE recipes; without it the test is skipped, or fails if demanded."""
    missing = [name for name in ("uves", "muse") if not find_plugins(name)]
    if missing or not shutil.which("esorex"):
        cannot_run("needs EsoRex with cpl-plugin-uves and cpl-plugin-muse: see packages.txt")
    return shutil.which("esorex")
