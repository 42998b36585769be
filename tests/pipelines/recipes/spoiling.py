"""Ways to spoil raw frames as archives, disks and detectors do; each takes a list of files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

Spoil = Callable[[list[Path]], None]

CARD = 80


def some(spoil: Callable[[Path], object], *numbers: int) -> Spoil:
    """Spoil the frames of these numbers (from 0); without numbers all of them."""

    def spoil_them(paths: list[Path]) -> None:
        for n in numbers or range(len(paths)):
            spoil(paths[n])

    return spoil_them


def cut_to(part: float) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 100)


def text(path: Path) -> None:
    path.write_text("the frame was not found on this server\n" * 100)


def gone(path: Path) -> None:
    path.unlink()


def _pixels(path: Path, change: Callable[[np.ndarray], np.ndarray], dtype: str = "") -> None:
    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.data is not None:
                hdu.data = change(hdu.data)
        hdus.writeto(path, overwrite=True)
    # Astropy writes them as whole numbers, and CPL wants real ones.
    content = path.read_bytes()
    content = content.replace(_line("BSCALE", 1), _line("BSCALE", 1.0))
    path.write_bytes(content.replace(_line("BZERO", 32768), _line("BZERO", 32768.0)))


def _line(keyword: str, value: float) -> bytes:
    return f"{keyword:8}= {value!r:>20}".encode()


def saturated(path: Path) -> None:
    _pixels(path, lambda image: np.full_like(image, 65535))


def zero(path: Path) -> None:
    _pixels(path, np.zeros_like)


def higher_by_50(path: Path) -> None:
    _pixels(path, lambda image: image + np.asarray(50, image.dtype))


def cropped(path: Path) -> None:
    _pixels(path, lambda image: image[:-4].copy())


def tiny(path: Path) -> None:
    _pixels(path, lambda image: image[:20, :110].copy())


def with_nan(path: Path) -> None:
    def change(image: np.ndarray) -> np.ndarray:
        image = image.astype(np.float32)
        image[3, 5:9] = np.nan
        return image

    _pixels(path, change)


def damaged(path: Path) -> None:
    """Turn some bits among the pixels."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(255 - one for one in content[middle : middle + 64])
    path.write_bytes(content)


def without_half_of_the_extensions(path: Path) -> None:
    with fits.open(path) as hdus:
        fits.HDUList([hdu.copy() for hdu in hdus[:3]]).writeto(path, overwrite=True)


def without(keyword: str) -> Callable[[Path], object]:
    """Take a keyword out of all headers of a file."""

    def spoil(path: Path) -> None:
        _edit(path, keyword, lambda card: b" " * CARD)

    return spoil


def with_value(keyword: str, value: str) -> Callable[[Path], object]:
    """Give a keyword another value, written as it is to stand in the header."""

    def spoil(path: Path) -> None:
        def change(card: bytes) -> bytes:
            name = card.decode().partition("=")[0]
            return f"{name}= {value}".ljust(CARD).encode()

        _edit(path, keyword, change)

    return spoil


def _edit(path: Path, keyword: str, change: Callable[[bytes], bytes]) -> None:
    content = path.read_bytes()
    head = (f"HIERARCH {keyword} " if " " in keyword else f"{keyword:8}=").encode()
    at, n = content.find(head), 0
    while at >= 0:
        assert at % CARD == 0
        content = content[:at] + change(content[at : at + CARD]) + content[at + CARD :]
        at, n = content.find(head, at + CARD), n + 1
    assert n, f"{path.name} has no {keyword}"
    path.write_bytes(content)
