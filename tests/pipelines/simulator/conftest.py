import os
import shutil

import pytest

from tests.pipelines.simulator.observatory import find_plugins


@pytest.fixture(scope="session")
def esorex():
    """EsoRex with the UVES and MUSE recipes; without it the test is skipped, or fails if demanded."""
    missing = [name for name in ("uves", "muse") if not find_plugins(name)]
    if shutil.which("esorex") and not missing:
        return shutil.which("esorex")
    reason = "EsoRex with cpl-plugin-uves and cpl-plugin-muse is not installed (see packages.txt)"
    if os.environ.get("HCM_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    return pytest.skip(reason)
