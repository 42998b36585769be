"""The private directory of a run: its frames under plain names, its SOF, its room for products."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pipelines.domain.recipe_call import SofEntry, safe_name
from pipelines.fits import COMPRESSED, unpacked

logger = logging.getLogger(__name__)


def make_job(
    job_dir: Path,
    raws: list[SofEntry],
    calibrations: tuple[SofEntry, ...],
    on_beat: Callable[[], None] = lambda: None,
) -> None:
    """Lay out an empty directory with links to the inputs and the set of frames."""
    shutil.rmtree(job_dir, ignore_errors=True)
    (job_dir / "out").mkdir(parents=True)
    lines = []
    for folder, entries in (("raw", raws), ("cal", calibrations)):
        for entry in entries:
            lines.append(f"{_place(entry.path, job_dir / folder)} {safe_name(entry.tag)}")
            on_beat()
    (job_dir / "in.sof").write_text("\n".join(lines) + "\n")


def _place(source: Path, folder: Path) -> str:
    """Link a file into the job, or unpack it there; return its path relative to the job."""
    folder.mkdir(exist_ok=True)
    is_packed = source.suffix in COMPRESSED
    name = safe_name(source.name.removesuffix(source.suffix) if is_packed else source.name)
    target = folder / name
    if target.exists():  # two masters of the same name, of two blocks
        target = folder / f"{len(list(folder.iterdir()))}_{name}"
    if is_packed:
        target.write_bytes(unpacked(source))
    else:
        target.symlink_to(source.resolve())
    return f"{folder.name}/{target.name}"


def environment(job_dir: Path) -> dict[str, str]:
    """Return what a recipe sees of the environment: no settings of whoever started the worker."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TZ", "TMPDIR") if key in os.environ}
    return kept | {"HOME": str(job_dir), "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


def read_job_log(job_dir: Path) -> str:
    """Return the recipe's log; after a crash EsoRex's is still ``.logfile`` in the directory."""
    for path in (job_dir / "out" / "run.log", job_dir / ".logfile", job_dir / "terminal.log"):
        if path.exists() and path.stat().st_size:
            # PostgreSQL takes no NUL.
            return path.read_text(errors="replace").replace("\x00", "")
    return ""


def tidy(job_dir: Path, log: str) -> None:
    """Leave the log and the set of frames; a directory that resists is logged and left."""
    if not job_dir.exists():
        return
    try:
        keep_log(job_dir, log)
        clean_job(job_dir)
    except OSError as error:
        logger.warning("%s: not tidied up: %s", job_dir, error)


def clean_job(job_dir: Path) -> None:
    """Remove everything but the log and the set of frames."""
    for path in job_dir.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in {"in.sof", "run.log"}:
            path.unlink(missing_ok=True)


def keep_log(job_dir: Path, log: str) -> None:
    (job_dir / "run.log").write_text(log)
