"""Headers and sizes: what is no FITS file is refused at once, and nothing makes reading endless."""

import gzip
import io
import random
import subprocess
import time
from pathlib import Path

import pytest

from pipelines.fits import BLOCK, FitsError, all_keywords, read_fits, read_headers
from tests.frames import BIAS, taken

CARDS = (
    "SIMPLE  =                    T",
    "BITPIX  =                   16",
    "NAXIS   =                    0",
)


def fits_file(path: Path, *cards: str, head=CARDS, data=0) -> Path:
    text = "".join(card.ljust(80) for card in (*head, *cards, "END"))
    path.write_bytes(text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("latin-1") + bytes(data))
    return path


def card(key: str, value: object) -> str:
    return f"{key:8}= {value!s:>20}"


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"NAXIS": 10**17}, "NAXIS is not possible"),
        ({"NAXIS": -1}, "NAXIS is not possible"),
        ({"NAXIS": "'two'"}, "NAXIS is not possible"),
        ({"NAXIS": "T"}, "NAXIS is not possible"),
        ({"NAXIS": 1, "NAXIS1": -BLOCK}, "NAXIS1 is not possible"),
        ({"NAXIS": 1, "NAXIS1": 1.5}, "NAXIS1 is not possible"),
        ({"NAXIS": 2, "NAXIS1": 2**40, "NAXIS2": 2**40}, "size is not possible"),
        ({"NAXIS": 1, "NAXIS1": 10, "BITPIX": 7}, "BITPIX is not possible"),
        ({"NAXIS": 1, "NAXIS1": 10, "GCOUNT": -1}, "GCOUNT is not possible"),
        ({"NAXIS": 1, "NAXIS1": 10, "PCOUNT": -BLOCK}, "PCOUNT is not possible"),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["primary", "extension"])
def test_sizes_that_cannot_be_are_refused_at_once(tmp_path, cards, words, where):
    spoilt = [card(key, value) for key, value in ({"BITPIX": 16} | cards).items()]
    first = CARDS[0] if where == "primary" else "XTENSION= 'IMAGE   '"
    path = fits_file(tmp_path / "a.fits", head=(first, *spoilt), data=BLOCK)
    if where == "extension":
        path.write_bytes(fits_file(tmp_path / "b.fits").read_bytes() + path.read_bytes())
    started = time.monotonic()
    with pytest.raises(FitsError, match=words):
        read_fits(path, ())
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'BIAS    '           / type", "BIAS"),
        ("'IT''S'", "IT'S"),
        ("'a / b' / comment", "a / b"),
        ("''", ""),
        ("T", True),
        ("-12 / adu", -12),
        ("1.5E3", 1500.0),
        ("1.5D3", 1500.0),
        ("57080.449065468755", 57080.449065468755),
        ("", None),
        ("NaN", None),
        ("1E999", None),
        ("abc", None),
    ],
)
def test_values_of_cards(tmp_path, text, value):
    path = fits_file(tmp_path / "a.fits", f"KEY     = {text}")
    found = read_fits(path, {"KEY"}).keywords
    assert found == ({} if value is None else {"KEY": value})


def test_keywords_have_their_oca_names_and_the_last_of_a_repeated_one_counts(tmp_path):
    path = fits_file(
        tmp_path / "a.fits",
        "HIERARCH ESO DPR CATG = 'CALIB' / category",
        "HIERARCH ESO DET OUT1 GAIN = 1.5",
        "HIERARCH OTHER KEY = 1",
        "MJD-OBS =              57080.5",
        "MJD-OBS =              57081.5",
        "COMMENT = 'not a value'",
    )
    [header] = read_headers(path)
    found = {key: value for key, value, _ in all_keywords(header)}
    assert found["DPR.CATG"] == "CALIB"
    assert found["DET.OUT1.GAIN"] == 1.5
    assert found["OTHER.KEY"] == 1
    assert read_fits(path, {"MJD-OBS"}).keywords == {"MJD-OBS": 57081.5}


def test_a_file_that_ends_inside_an_extension_is_truncated(tmp_path):
    whole = min(taken(tmp_path / "raw", BIAS).iterdir()).read_bytes()
    headers_end = [n for n in range(BLOCK, len(whole), BLOCK) if whole[n : n + 8] == b"XTENSION"]
    for end in (headers_end[-1] + 100, headers_end[-1] + 3 * BLOCK, len(whole) - 1):
        path = tmp_path / "cut.fits"
        path.write_bytes(whole[:end])
        assert read_fits(path, ()).problem.startswith(f"truncated: {end} of ")


def packed(path: Path, form: str) -> bytes:
    if form == ".gz":
        return gzip.compress(path.read_bytes())
    if form == ".Z":
        return subprocess.run(["compress", "-c", str(path)], capture_output=True).stdout
    if form == ".fz":
        subprocess.run(["fpack", "-g1", str(path)], check=True, capture_output=True)
        return path.with_name(path.name + ".fz").read_bytes()
    return path.read_bytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.needs("fpack", "compress")
@pytest.mark.parametrize("form", ["", ".gz", ".Z", ".fz"])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path, form):
    frame = min(taken(tmp_path / "raw", BIAS).iterdir())
    good = packed(frame, form)
    chance = random.Random(7)  # noqa: S311  a seed, no secret
    path = tmp_path / f"damaged.fits{form}"
    n_refused = 0
    for n in range(40):
        content = bytearray(good[: chance.randrange(len(good))] if n % 4 == 0 else good)
        reach = len(content) if n % 2 else min(8000, len(content))
        for _ in range(n % 4 * 4):
            content[chance.randrange(reach)] = chance.randrange(256)
        path.write_bytes(content)
        try:
            read_fits(path, {"MJD-OBS"})
        except FitsError as error:
            n_refused += bool(error.advice)
    assert form == "" or n_refused > 3


def test_a_header_without_end_is_given_up(tmp_path):
    path = tmp_path / "endless.fits"
    with path.open("wb") as file:
        file.write(b"".join(card.ljust(80).encode() for card in CARDS))
        file.seek(5000 * BLOCK, io.SEEK_SET)
        file.write(b" " * BLOCK)
    with pytest.raises(FitsError, match="The header has no end"):
        read_fits(path, ())


@pytest.mark.parametrize("n_cards", [30, 31, 32, 33, 34, 67, 68, 1219, 1220, 1221, 1222, 3000])
def test_a_header_of_any_length_is_read_whole(tmp_path, n_cards):
    more = [card("A", n) for n in range(n_cards)]
    path = fits_file(tmp_path / "a.fits", *more, card("LAST", "'X'"), data=BLOCK)
    found = read_fits(path, {"A", "LAST"})
    assert found.keywords == {"A": n_cards - 1, "LAST": "X"}
    assert found.problem == ""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - BLOCK - 1])
    with pytest.raises(FitsError, match="The header is cut"):
        read_fits(path, ())


def test_end_counts_at_the_start_of_a_card_alone(tmp_path):
    straddling = ["COMMENT".ljust(77) + "END", "", "HISTORY END" + " " * 69, "EXPTIME =  3"]
    assert read_fits(fits_file(tmp_path / "a.fits", *straddling), {"EXPTIME"}).keywords == {
        "EXPTIME": 3
    }
