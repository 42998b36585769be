"""Raw frames with headers as long as the observatory's, written once for the benchmarks."""

import datetime as dt
import itertools
import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipelines.recipes.native.cards import Value, card
from pipelines.recipes.native.fitsfile import Image, write_fits
from pipelines.simulator.headers import common
from pipelines.simulator.templates import Exposure, Template, iso_ms

N_FILES = 2000
N_CARDS = 800
N_NIGHTS = 20
# 60,000 bytes of data.
_SHAPE = (150, 200)
_FIRST = dt.datetime(2015, 2, 27, 10, tzinfo=dt.UTC)
_FRAMES_A_TEMPLATE = 5
_READOUT_S = 42.0
# What the rules of UVES ask for beside what all instruments write; every seventh file lacks the
# grating, as the other arm's frames do.
_SETUP = (
    ("ESO DET CHIPS", 1),
    ("ESO DET OUTPUTS", 1),
    ("ESO DET READ CLOCK", "225kHz,1x1,low"),
    ("ESO DET READ SPEED", "225kHz,1x1,low"),
    ("ESO DET WIN1 NX", 2048),
    ("ESO DET WIN1 NY", 3000),
    ("ESO DET WIN1 STRX", 1),
    ("ESO DET WIN1 STRY", 1),
    ("ESO INS MODE", "DICHR#1"),
    ("ESO INS PATH", "BLUE"),
    ("ESO INS SLIT1 NAME", "FREE"),
    ("ESO INS SLIT2 WID", 0.4),
    ("ESO INS SLIT3 MODE", "AUTO"),
    ("ESO INS SLIT3 PLATE", 1),
    ("ESO INS SLIT3 WID", 0.3),
)
_GRATING = (
    ("ESO INS GRAT1 ID", "CD#2"),
    ("ESO INS GRAT1 NAME", "CD#2"),
    ("ESO INS GRAT1 WLEN", 390.0),
    ("ESO INS GRAT2 ID", "CD#4"),
    ("ESO INS GRAT2 WLEN", 760.0),
)
# Cards that nobody asks for make most of a real header: sensors, motors, guiding.
_DEVICES = (
    "INS SENS",
    "INS TEMP",
    "INS LAMP",
    "DET DEV",
    "TEL AG GUIDE",
    "OCS SGS OBJ",
    "INS PRES",
)
_FACTS = (
    ("ID", "Device unique id", "text"),
    ("NAME", "Common name", "text"),
    ("VAL", "[C] Numeric value", "number"),
    ("MIN", "[C] Minimum value", "number"),
    ("MAX", "[C] Maximum value", "number"),
    ("MEAN", "[C] Average value", "number"),
    ("ST", "Switched on", "state"),
)


def frames(directory: Path) -> list[Path]:
    """Write the frames, unless they are there; return them in order of time."""
    paths = sorted(directory.glob("*.fits"))
    if len(paths) != N_FILES:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        paths = [_write(directory, n, exposure) for n, exposure in enumerate(_exposures())]
    return sorted(paths)


def _exposures() -> Iterator[tuple[Template, Exposure]]:
    n_templates = N_FILES // _FRAMES_A_TEMPLATE
    for n in range(n_templates):
        night, place = divmod(n, n_templates // N_NIGHTS)
        start = _FIRST + dt.timedelta(days=night, minutes=6 * place)
        bias = Template("UVES", "BIAS", start, _FRAMES_A_TEMPLATE, "225kHz,1x1,low", arm="BLUE")
        template = bias if place % 4 else replace(bias, kind="DARK", exptime_s=10.0)
        yield from ((template, exposure) for exposure in template.exposures(_READOUT_S))


def _write(directory: Path, n: int, taken: tuple[Template, Exposure]) -> Path:
    template, exposure = taken
    chance = random.Random(n)  # noqa: S311  a seed, no secret
    binning = 1 + n // _FRAMES_A_TEMPLATE % 2
    shared = list(common(template, exposure, "ESO-VLT-U2", "IMAGE"))
    own = [
        *(_GRATING if n % 7 else ()),
        *_SETUP,
        ("ESO DET WIN1 BINX", binning),
        ("ESO DET WIN1 BINY", binning),
    ]
    filler = list(itertools.islice(_filler(chance), N_CARDS + 1 - len(shared) - len(own)))
    # Some cards less in some templates, as modes have it: 40 layouts in all.
    del filler[n // _FRAMES_A_TEMPLATE % 20 * 30]
    half = len(filler) // 2
    # What is asked for stands in two places of a long header, as the observatory's do.
    header = (*_cards(shared), *filler[:half], *_cards(own), *filler[half:])
    pixels = np.full(_SHAPE, 180 + n % 9, np.uint16)
    path = directory / f"UVES.{iso_ms(exposure.start)}.fits"
    write_fits(path, [Image(header, pixels)])
    return path


def _cards(keywords: Iterable[tuple[str, Value]]) -> list[str]:
    return [card(key, value) for key, value in keywords]


def _filler(chance: random.Random) -> Iterator[str]:
    for number in range(1, 1000):
        for device in _DEVICES:
            for fact, comment, kind in _FACTS:
                value: str | float | bool = round(chance.uniform(-50, 300), 3)
                if kind == "text":
                    value = f"{device} {number} {chance.randrange(100):02d}"
                elif kind == "state":
                    value = chance.random() < 0.5
                yield card(f"ESO {device}{number} {fact}", value, comment)
