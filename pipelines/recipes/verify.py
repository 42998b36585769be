"""Looks at frames before a recipe runs and at products after it: exit code 0 proves nothing."""

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from pipelines.domain.recipe_call import Kind, MadeFile, RecipeCall, SofEntry
from pipelines.fits import COMPRESSED, FitsError, read_fits, unpacked
from pipelines.hdus import Pixels, UnusualError, read_hdus

from . import quality

# A frame with this share of its pixels at the top of its range shows nothing but the lamp.
SATURATED_SHARE = 0.3
# How a reason says that a file was missing: whoever reads it looks whether it is back.
NOT_THERE = "is not there any more"
_TOP = {np.dtype("uint16"): 65535, np.dtype("int16"): 32767}


# What astropy and our own reader say of a file whose headers or data make no sense.
_UNREADABLE = (
    FitsError, fits.VerifyError, OSError, ValueError, TypeError, LookupError, AstropyWarning,
)  # fmt: skip
# The disk, not what is on it: the file may well be whole.
_OF_THE_DISK = frozenset({errno.EIO, errno.ESTALE})


class UnusableError(Exception):
    """A run cannot start, or its results cannot be used."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True)
class CheckedInputs:
    """The frames to send, and the ones left out with the reason for each."""

    raws: list[SofEntry]
    dropped: list[str]


def check_inputs(call: RecipeCall, on_beat: Callable[[], None] = lambda: None) -> CheckedInputs:
    """Check every input; leave out saturated and constant frames while enough remain.

    `on_beat` is called after each frame: large ones take longer than a worker may be silent.

    Raises
    ------
    UnusableError
        A file is missing, damaged or of another shape, too few frames remain, or the recipe does
        not take what it is given.
    """
    _check_tags(call)
    kept: list[SofEntry] = []
    dropped: list[str] = []
    shapes: dict[tuple[tuple[int, ...], ...], str] = {}
    seen: set[Path] = set()
    for entry in call.raws:
        if entry.path.resolve() in seen:
            dropped.append(f"{entry.path.name}: it is there already")
            continue
        seen.add(entry.path.resolve())
        _check_file(entry.path)
        with _reading(entry.path):
            frame = _frame(entry.path)
        _check_keywords(frame, entry.path, call)
        found = frame.images
        shapes.setdefault(tuple(shape for shape, _ in found), entry.path.name)
        if problem := next((problem for _, problem in found if problem), ""):
            dropped.append(f"{entry.path.name}: {problem}")
        else:
            kept.append(entry)
        on_beat()
    if len(shapes) > 1:
        raise UnusableError(Kind.INPUT, _unequal(shapes))
    if len(kept) < call.min_frames:
        raise UnusableError(
            Kind.INPUT,
            f"{len(kept)} of {len(call.raws)} frames are usable, {call.min_frames} are needed. "
            + "; ".join(dropped),
        )
    for entry in call.calibrations:
        _check_calibration(entry.path)
        on_beat()
    return CheckedInputs(kept, dropped)


def _check_tags(call: RecipeCall) -> None:
    """Refuse frames that the recipe would not look at, and a run without what it must have."""
    taken = call.raw_tags
    if strange := sorted({entry.tag for entry in call.raws if taken and entry.tag not in taken}):
        words = f"{call.recipe} takes {', '.join(taken)}, not {', '.join(strange)}."
        raise UnusableError(Kind.INPUT, words)
    given = {entry.tag for entry in call.calibrations}
    if missing := [tag for tag in call.calibration_tags if tag not in given]:
        raise UnusableError(Kind.MISSING, f"{call.recipe} is given no {', '.join(missing)}.")


def _unequal(shapes: dict[tuple[tuple[int, ...], ...], str]) -> str:
    seen = "; ".join(f"{name}: {shape}" for shape, name in shapes.items())
    return f"The frames have unequal shapes (y, x). {seen}"


def _check_file(path: Path) -> None:
    if not path.exists():
        raise UnusableError(Kind.INPUT, f"{path.name} {NOT_THERE} ({path}).")
    try:
        problem = read_fits(path, ()).problem
    except (FitsError, OSError) as error:
        raise UnusableError(_kind(error, Kind.INPUT), f"{path.name}: {error}") from error
    if problem:
        raise UnusableError(
            Kind.INPUT, f"{path.name} is {problem}. Transfer it again, then ingest it."
        )


def _check_calibration(path: Path) -> None:
    """Like a frame; but what is wrong lies with whoever made it."""
    if not path.exists():
        raise UnusableError(
            Kind.MISSING,
            f"The calibration {path.name} {NOT_THERE} ({path}). "
            "Bring it back, or run the block that made it again.",
        )
    try:
        _check_file(path)
    except UnusableError as error:
        kind = error.kind if error.kind == Kind.ENVIRONMENT else Kind.DEPENDENCY
        raise UnusableError(kind, f"A calibration: {error.reason}") from error


def _kind(error: BaseException, otherwise: Kind) -> Kind:
    """Return whose fault it is that a file cannot be read: the disk's, or that of who wrote it."""
    known: BaseException | None = error
    while known is not None:
        if isinstance(known, OSError) and known.errno in _OF_THE_DISK:
            return Kind.ENVIRONMENT
        known = known.__cause__
    return otherwise


def _check_keywords(frame: "_Frame", path: Path, call: RecipeCall) -> None:
    """Refuse a frame without a keyword that the recipe needs, in whichever of its headers."""
    if missing := [one for one in call.needs if one not in frame.names]:
        raise UnusableError(
            Kind.INPUT,
            f"{path.name} has no {', '.join(missing)}; without it {call.recipe} goes wrong.",
        )


@dataclass
class _Frame:
    """The keywords of all headers of a frame, and shape and problem of each of its images."""

    names: set[str] = field(default_factory=set)
    images: list[tuple[tuple[int, ...], str]] = field(default_factory=list)

    def add(self, image: Pixels | None) -> None:
        if image is not None:
            self.images.append((image.shape, _pixel_problem(image)))


def _frame(path: Path) -> _Frame:
    """Look at all of a frame, once; with astropy where it is an unusual one."""
    frame = _Frame()
    try:
        for hdu in read_hdus(path):
            frame.names |= hdu.names
            frame.add(hdu.image())
    except UnusualError:
        return _unusual_frame(path)
    return frame


def _unusual_frame(path: Path) -> _Frame:
    frame = _Frame()
    with _opened(path) as hdus:
        for hdu in hdus:
            frame.names |= {key.removeprefix("ESO ").replace(" ", ".") for key in hdu.header}
            frame.add(hdu.data if hdu.is_image else None)
    return frame


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong in reading a frame which frame it is."""
    try:
        yield
    except _UNREADABLE as error:
        raise UnusableError(
            _kind(error, Kind.INPUT), f"{path.name} cannot be read: {error or type(error).__name__}"
        ) from error


@contextmanager
def reading_product(product: MadeFile) -> Iterator[None]:
    """Say of whatever goes wrong in reading a product that it is the product's fault."""
    try:
        yield
    except _UNREADABLE as error:
        words = f"Product {product.name} cannot be read: {error or type(error).__name__}"
        raise UnusableError(_kind(error, Kind.PRODUCT), words) from error


def _opened(path: Path) -> fits.HDUList:
    if path.suffix in COMPRESSED:
        return fits.HDUList.fromstring(unpacked(path))
    return fits.open(path)


def _pixel_problem(image: Pixels) -> str:
    if image.size == 0:
        return "it holds no pixels"
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        return "it holds NaN or infinite pixels"
    low, high = image.min(), image.max()
    if low == high:
        return f"all its pixels are {low}"
    top = _TOP.get(image.dtype.newbyteorder("="))
    if top is not None and high >= top:
        share = float(np.count_nonzero(image >= top)) / image.size
        if share > SATURATED_SHARE:
            return f"saturated, {share:.0%} of its pixels are at {top} ADU"
    return ""


def check_products(
    call: RecipeCall, job_dir: Path, on_beat: Callable[[], None] = lambda: None
) -> list[MadeFile]:
    """Return the products, each verified to be there, whole and of an expected category.

    Raises
    ------
    UnusableError
        A listed product is missing, damaged or short of extensions, or an expected category
        was not made.
    """
    listing = job_dir / "out" / "products.json"
    if not listing.exists():
        raise UnusableError(Kind.PRODUCT, "The recipe ended with 0 and listed no products.")
    made = []
    for name, category in _listed(listing):
        product = _made_file(job_dir, name, category)
        with reading_product(product):
            problem = quality.too_few_extensions(call, product)
        if problem:
            raise UnusableError(Kind.PRODUCT, problem)
        made.append(product)
        on_beat()
    missing = set(call.expected_products) - {product.category for product in made}
    if missing:
        raise UnusableError(
            Kind.PRODUCT, f"The recipe ended with 0 and made no {', '.join(sorted(missing))}."
        )
    return made


def _listed(listing: Path) -> list[tuple[str, str]]:
    """Return name and category of each product; only the name counts, wherever it points to."""
    try:
        listed = [
            (Path(item["name"]).name, str(item["category"]))
            for item in json.loads(listing.read_text())
        ]
    except (ValueError, TypeError, LookupError) as error:
        raise UnusableError(
            Kind.PRODUCT, f"The recipe's list of products cannot be read: {error}"
        ) from error
    times = Counter(name for name, _ in listed)
    if twice := [name for name, n in times.items() if n > 1]:
        raise UnusableError(Kind.PRODUCT, f"The recipe lists {', '.join(twice)} more than once.")
    return listed


def _made_file(job_dir: Path, name: str, category: str) -> MadeFile:
    path = job_dir / "out" / name
    if not path.exists():
        raise UnusableError(Kind.PRODUCT, f"The recipe lists {name}, which does not exist.")
    try:
        found = read_fits(path, {"DATAMD5"})
        headers = verify_sums(path)
    except _UNREADABLE as error:
        words = f"Product {name} is damaged: {error}"
        raise UnusableError(_kind(error, Kind.PRODUCT), words) from error
    if found.problem:
        raise UnusableError(Kind.PRODUCT, f"Product {name} is {found.problem}.")
    return MadeFile(
        name=name,
        category=category,
        path=path,
        size=path.stat().st_size,
        data_md5=str(found.keywords.get("DATAMD5", "")),
        headers=headers,
    )


def verify_sums(path: Path) -> tuple[bytes, ...]:
    """Compare the data of a product with the sums in its own headers, which are returned.

    Of what only astropy can read no headers are returned.

    Raises
    ------
    FitsError
        They do not fit.
    """
    headers = []
    try:
        for n, hdu in enumerate(read_hdus(path)):
            headers.append(hdu.header)
            _check_sum(n, is_right=hdu.fits_its_sum())
    except UnusualError:
        _verify_unusual(path)
        return ()
    return tuple(headers)


def _verify_unusual(path: Path) -> None:
    with fits.open(path) as hdus:
        for n, hdu in enumerate(hdus):
            # 0: the sum is there and wrong. 2 says that there is none to compare.
            _check_sum(n, is_right=hdu.verify_datasum() != 0)


def _check_sum(n: int, *, is_right: bool) -> None:
    if not is_right:
        raise FitsError(
            f"DATASUM of HDU {n} does not fit.",
            "`manage.py reprocess AB_NAME` makes it anew.",
        )


def combined_count(products: list[MadeFile]) -> int | None:
    """Return how many raw frames the first product says it is made of; None if it does not say."""
    if not products:
        return None
    with reading_product(products[0]):
        said = quality.said_by(products[0], "PRO REC1 RAW", "PRO DATANCOM")[0].keywords
        named = [key for key in said if key.endswith("NAME")]
        counts = [len(named)] if named else []
        if "PRO DATANCOM" in said:
            counts.append(int(said["PRO DATANCOM"]))
    return min(counts, default=None)
