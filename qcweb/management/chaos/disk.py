"""A disk that can be filled: a small one in memory where one may be mounted, else a limit."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE_MB = 1500
_CHUNK = 1 << 20
# Without a disk of its own: no file may grow beyond this (bytes) while the "disk is full".
FILE_LIMIT = 20_000


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system at `folder` while the block lasts; give False where none may be."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = os.getuid() == 0 and _run(
        "mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0755", "hcm-chaos", str(folder)
    )
    try:
        yield mounted
    finally:
        if mounted:
            # Lazily: whatever still has a file open there has been killed.
            _run("umount", "--lazy", str(folder))


def _run(*words: str) -> bool:
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def fill(folder: Path) -> Path:
    """Take all room that is left; return the file that takes it."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(_CHUNK))
    # The last bytes too.
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    return ballast
