"""Hands certified master calibrations over: files with final names, sums, certificates, and a SOF."""

import datetime as dt
import hashlib
import io
import json
import shutil
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db.models import OuterRef, Subquery

from pipelines.domain.recipe_call import safe_name
from pipelines.domain.times import mjd_to_datetime
from pipelines.models import AssociationBlock, Instrument, Product
from pipelines.services.products import why_unusable

from .models import Certification, Decision

MANIFEST, SUMS, SOF = "manifest.json", "SHA256SUMS", "calibrations.sof"
_CHUNK = 1 << 20


class HandOverError(Exception):
    """What cannot be handed over; says why and what to do."""


@dataclass(frozen=True)
class Master:
    """A certified product under its final name."""

    name: str
    product: Product
    block: AssociationBlock
    decision: Certification

    @property
    def path(self) -> Path:
        return Path(settings.HCM_DATA_DIR) / self.product.path


def masters_of(
    instrument: Instrument,
    since: dt.date | None = None,
    until: dt.date | None = None,
    most: int | None = None,
) -> list[Master]:
    """Return the products of certified blocks of some nights, each under a name of its own.

    With `most`, one more than that at most: the last one says that there are more.
    """
    enough = None if most is None else most + 1
    query = AssociationBlock.objects.filter(
        instrument=instrument, is_certified=True, is_withdrawn=False
    ).select_related("instrument", "current_attempt")
    if since:
        query = query.filter(night__gte=since)
    if until:
        query = query.filter(night__lte=until)
    blocks = list(query.in_cascade_order()[:enough])
    decisions, products = _latest(blocks), _products(blocks)
    found: list[Master] = []
    names: set[str] = set()
    for block in blocks:
        decision = decisions.get(block.pk)
        if decision is None or not decision.holds(block) or decision.decision not in _CERTIFIED:
            continue
        for product in products.get(block.current_attempt_id, ()):
            name = _final_name(block, product, names)
            names.add(name)
            found.append(Master(name, product, block, decision))
    return found[:enough]


_CERTIFIED = frozenset({Decision.AUTO, Decision.ACCEPTED})
# Keys in one query: databases take so many and not many more.
_AT_ONCE = 5000


def _latest(blocks: Sequence[AssociationBlock]) -> dict[int, Certification]:
    """Return the latest decision on each block."""
    last = Certification.objects.filter(block=OuterRef("block")).order_by("-number")
    return {
        one.block_id: one
        for some in _batched(blocks)
        for one in Certification.objects.filter(
            block__in=some, number=Subquery(last.values("number")[:1])
        ).select_related("decided_by")
    }


def _products(blocks: Sequence[AssociationBlock]) -> dict[int | None, list[Product]]:
    """Return the products of the blocks' present results, by the attempt."""
    found: dict[int | None, list[Product]] = {}
    for some in _batched(blocks):
        attempts = [one.current_attempt_id for one in some]
        for product in Product.objects.filter(attempt__in=attempts).order_by("pk"):
            found.setdefault(product.attempt_id, []).append(product)
    return found


def _batched(blocks: Sequence[AssociationBlock]) -> Iterator[Sequence[AssociationBlock]]:
    for start in range(0, len(blocks), _AT_ONCE):
        yield blocks[start : start + _AT_ONCE]


def _final_name(block: AssociationBlock, product: Product, taken: set[str]) -> str:
    """Return e.g. ``UVES.2026-03-02T09:00:04.217_MASTER_BIAS_BLUE.fits``."""
    when = mjd_to_datetime(block.mjd_obs).replace(tzinfo=None).isoformat(timespec="milliseconds")
    stem = safe_name(f"{block.instrument.name}.{when}_{product.pro_catg}")
    names = (f"{stem}.fits", *(f"{stem}_{n}.fits" for n in range(2, 10_000)))
    return next(name for name in names if name not in taken)


class _Store(Protocol):
    def add(self, name: str, source: Path) -> str:
        """Take a file; return its SHA-256."""

    def write(self, name: str, text: str) -> None: ...


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, source: Path) -> str:
        digest = hashlib.sha256()
        with source.open("rb") as read, (self.folder / name).open("wb") as write:
            while chunk := read.read(_CHUNK):
                digest.update(chunk)
                write.write(chunk)
        return digest.hexdigest()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)


class _Tar:
    def __init__(self, archive: tarfile.TarFile, top: str) -> None:
        self.archive, self.top = archive, top

    def add(self, name: str, source: Path) -> str:
        digest = hashlib.sha256()
        with source.open("rb") as read:
            while chunk := read.read(_CHUNK):
                digest.update(chunk)
        self.archive.add(source, f"{self.top}/{name}", recursive=False, filter=_anonymous)
        return digest.hexdigest()

    def write(self, name: str, text: str) -> None:
        content = text.encode()
        info = tarfile.TarInfo(f"{self.top}/{name}")
        info.size, info.mode = len(content), 0o644
        self.archive.addfile(info, io.BytesIO(content))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose file it was here: that says nothing elsewhere."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info


def write_folder(masters: Sequence[Master], folder: Path) -> None:
    """Write masters into a new or empty directory.

    Raises
    ------
    HandOverError
        The directory holds something, or a product is not the one that was made.
    """
    if folder.name in {"", ".."}:
        raise HandOverError(f"{folder} has no name of its own. Give a new directory in it.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HandOverError(f"{folder} is there already and not empty. Give a new directory.")
    _check(masters)
    # A name of its own: somebody else may be writing the same directory.
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        _write(masters, _Folder(part))
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_tar(masters: Sequence[Master], target: Path) -> None:
    """Write masters into a tar file; it gets its name when it is whole."""
    _check(masters)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with tarfile.open(part, "w") as archive:
            _write(masters, _Tar(archive, safe_name(target.stem)))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _check(masters: Sequence[Master]) -> None:
    if not masters:
        raise HandOverError("There is no certified master in these nights. Certify some first.")
    wrong = [(one, why) for one in masters if (why := why_unusable(one.product))]
    if wrong:
        (first, why), n = wrong[0], len(wrong)
        raise HandOverError(
            f"{n} product{'s are' if n > 1 else ' is'} not as made, first {first.product.name} of "
            f"{first.block.ab_name}, which {why}. "
            f"`manage.py reprocess {first.block.ab_name}` makes it anew."
        )


def _write(masters: Sequence[Master], store: _Store) -> None:
    entries = [_entry(one, store.add(one.name, one.path)) for one in masters]
    store.write(MANIFEST, json.dumps({"masters": entries}, indent=2) + "\n")
    store.write(SUMS, "".join(f"{one['sha256']}  {one['name']}\n" for one in entries))
    newest = _newest(masters)
    store.write(SOF, "".join(_sof_lines(newest, "of each category and set-up")))
    setups = {one.block.setup for one in newest}
    for setup in sorted(setups) if len(setups) > 1 else ():
        some = [one for one in newest if one.block.setup == setup]
        name = f"calibrations_{safe_name(setup or 'none')}.sof"
        store.write(name, "".join(_sof_lines(some, f"of each category, set-up {setup}")))


def _newest(masters: Sequence[Master]) -> list[Master]:
    """Return the masters of the latest block of each category and set-up, the latest first.

    A recipe takes the first of a tag: all nights in one set of frames would give it the oldest.
    """
    latest: dict[tuple[str, str], Master] = {}
    for one in sorted(masters, key=lambda one: one.block.mjd_obs):
        latest[one.product.pro_catg, one.block.setup] = one
    chosen = {(key, one.block.pk) for key, one in latest.items()}
    kept = [
        one for one in masters
        if ((one.product.pro_catg, one.block.setup), one.block.pk) in chosen
    ]  # fmt: skip
    return sorted(kept, key=lambda one: (-one.block.mjd_obs, one.name))


def _sof_lines(masters: Sequence[Master], which: str) -> Iterator[str]:
    yield f"# The newest {which}. Run EsoRex in this directory, or put its path before each name.\n"
    for one in masters:
        yield f"{one.name} {safe_name(one.product.pro_catg)}\n"


def _entry(one: Master, sha256: str) -> dict[str, Any]:
    decision = one.decision
    return {
        "name": one.name,
        "category": one.product.pro_catg,
        "sha256": sha256,
        "datamd5": one.product.data_md5,
        "size": one.product.size,
        "block": one.block.ab_name,
        "instrument": one.block.instrument.name,
        "raw_type": one.block.raw_type,
        "setup": one.block.setup,
        "night": one.block.night.isoformat(),
        "mjd_obs": one.block.mjd_obs,
        "recipe": one.block.recipe,
        "pipeline": one.block.current_attempt.pipeline_version if one.block.current_attempt else "",
        "certification": {
            "decision": decision.decision,
            "by": decision.decided_by.get_username() if decision.decided_by else "the system",
            "at": decision.decided_at.isoformat(),
            "comment": decision.comment,
            "nok": decision.n_nok,
            "scored": decision.n_scored,
        },
    }
