"""A call from outside: exit codes, the log, and what is left behind when something is wrong."""

import errno
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.recipes.native import command, products
from pipelines.recipes.native.command import main
from pipelines.simulator.templates import Defect
from tests.pipelines.recipes.native.running import (
    BIAS,
    DARK,
    FLAT,
    frames,
    master_bias,
    noisy,
    plain_frame,
    reduce,
    tagged,
)

ROOT = Path(__file__).parents[4]
LINE = re.compile(r"\d\d:\d\d:\d\d (\[ INFO  \]|\[WARNING\]|\[ ERROR \]) hcm_\w+: .+")


@pytest.fixture
def three(tmp_path):
    """Three plain frames of 60 x 50 pixels that make a master bias."""
    return [plain_frame(tmp_path / f"{i}.fits", noisy((50, 60), i)) for i in range(3)]


def errors_of(outcome):
    return [line for line in outcome.log.splitlines() if "[ ERROR ]" in line]


def test_it_runs_as_a_process_like_esorex(tmp_path, three):
    sof = tmp_path / "in.sof"
    sof.write_text("# raw frames\n\n" + "".join(f"{path} BIAS RAW\n" for path in three))
    out = tmp_path / "out"
    out.mkdir()
    call = [sys.executable, "-m", "pipelines.recipes.native", "hcm_bias", str(sof)]
    call += [f"--output-dir={out}", f"--products-sof={out}/products.json"]
    call += [f"--log-file={out}/run.log", "--min-frames=3"]

    done = subprocess.run(call, cwd=ROOT, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert {p.name for p in out.iterdir()} == {"master_bias.fits", "products.json", "run.log"}
    assert all(LINE.fullmatch(line) for line in (out / "run.log").read_text().splitlines())


def test_starting_it_imports_neither_astropy_nor_django():
    code = "import sys, pipelines.recipes.native.command; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
    )

    heavy = {"astropy", "django", "pandas", "celery", "argparse"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "expected a recipe and a set of frames", id="nothing"),
        pytest.param(["hcm_sky", "a.sof"], "no recipe 'hcm_sky'; there are hcm_bias", id="recipe"),
        pytest.param(["hcm_bias", "a.sof", "--verbose"], "expected --name=value", id="no value"),
        pytest.param(["hcm_bias", "a.sof", "--kappa=3"], "hcm_bias knows", id="parameter"),
        pytest.param(["hcm_bias", "a.sof", "--min-frames=two"], "expected a number", id="text"),
        pytest.param(
            ["hcm_bias", "a.sof", "--min-frames=1"], "from 2 to 1000, frames needed", id="range"
        ),
        pytest.param(["hcm_bias", "a.sof", "--output-dir=/no/such"], "no such dir", id="directory"),
        pytest.param(["hcm_bias", "a.sof", "--log-file=/no/such/log"], "writable", id="log"),
    ],
)
def test_a_wrong_call_is_255_and_says_why(capsys, arguments, words):
    assert main(arguments) == 255
    assert words in capsys.readouterr().err


def test_without_a_log_file_the_log_goes_to_standard_error(tmp_path, three, capsys):
    sof = tmp_path / "in.sof"
    sof.write_text("".join(f"{path} BIAS\n" for path in three))

    assert main(["hcm_bias", str(sof), f"--output-dir={tmp_path}"]) == 0
    assert "3 frames combined; wrote master_bias.fits" in capsys.readouterr().err


def cut(path):
    path.write_bytes(path.read_bytes()[:-2880])


def not_a_number(path):
    pixels = np.ones((50, 60), np.float32)
    pixels[10, 10] = np.nan
    plain_frame(path, pixels)


DAMAGES = [
    pytest.param(cut, 6, "0.fits: cut short, ", id="truncated"),
    pytest.param(lambda p: p.write_text("no"), 6, "0.fits: the header has no end", id="garbage"),
    pytest.param(lambda p: p.unlink(), 9, "0.fits: no such file", id="missing"),
    pytest.param(not_a_number, 14, "0.fits[PRIMARY]: NaN or infinite", id="NaN alone"),
    pytest.param(
        lambda p: plain_frame(p, np.full((50, 60), 7, np.uint16)),
        14,
        "every pixel is 7.0; the detector was not read out",
        id="constant",
    ),
    pytest.param(
        lambda p: plain_frame(p, noisy((50, 61), 1)),
        13,
        "60x50 pixels of >i2, expected 61x50",
        id="another size",
    ),
    pytest.param(
        lambda p: plain_frame(p, noisy((50, 60), 1), **{"ESO DET OUT1 NX": 44}),
        13,
        "ESO DET OUT1 speaks of 44x50",
        id="layout",
    ),
    pytest.param(
        lambda p: plain_frame(p, noisy((50, 60), 1), EXPTIME=5.0),
        13,
        "1.fits: 0.0 s exposed, expected 5.0 s as in 0.fits",
        id="another exposure time",
    ),
]


@pytest.mark.parametrize(("damage", "exit_code", "words"), DAMAGES)
def test_damage_is_named_and_nothing_is_left(tmp_path, three, damage, exit_code, words):
    damage(three[0])
    if damage is not_a_number:
        for i in (1, 2):
            plain_frame(three[i], noisy((50, 60), i).astype(np.float32))
    outcome = reduce("hcm_bias", tagged(three, "BIAS"), tmp_path / "out")

    assert outcome.exit_code == exit_code
    (line,) = errors_of(outcome)
    assert words in line
    assert outcome.files == set()


def test_a_frame_without_exposure_time_is_10(tmp_path, three):
    three[1].write_bytes(three[1].read_bytes().replace(b"EXPTIME =", b"EXPTOME ="))
    outcome = reduce("hcm_bias", tagged(three, "BIAS"), tmp_path / "out")

    assert outcome.exit_code == 10
    assert "1.fits: EXPTIME is absent" in outcome.log


def test_a_file_without_image_is_14(tmp_path):
    (tmp_path / "raw").mkdir()
    paths = [plain_frame(tmp_path / f"{i}.fits", np.zeros((0, 0), np.uint8)) for i in range(3)]
    for path in paths:
        text = path.read_bytes().replace(
            b"NAXIS   =                    2", b"NAXIS   = 0".ljust(30)
        )
        path.write_bytes(text)
    outcome = reduce("hcm_bias", tagged(paths, "BIAS"), tmp_path / "out")

    assert outcome.exit_code == 14
    assert "no image in any HDU" in outcome.log


@pytest.mark.parametrize(
    ("text", "exit_code", "words"),
    [
        pytest.param("", 14, "no frame with the tag BIAS", id="empty"),
        pytest.param("a.fits DARK\n", 14, "no frame with the tag BIAS", id="other tag"),
        pytest.param("a.fits\n", 14, "'a.fits' has no tag", id="no tag"),
        pytest.param(None, 9, "No such file", id="no set of frames"),
    ],
)
def test_a_wrong_set_of_frames_is_named(tmp_path, text, exit_code, words):
    sof, log = tmp_path / "in.sof", tmp_path / "log"
    if text is not None:
        sof.write_text(text)
    code = main(["hcm_bias", str(sof), f"--output-dir={tmp_path}", f"--log-file={log}"])

    assert code == exit_code
    assert words in log.read_text()


def test_paths_may_hold_blanks(tmp_path):
    raw = tmp_path / "last night"
    raw.mkdir()
    paths = [plain_frame(raw / f"{i} a.fits", noisy((50, 60), i)) for i in range(3)]

    assert reduce("hcm_bias", tagged(paths, "BIAS"), tmp_path / "out").exit_code == 0


def test_too_few_frames_are_refused_unless_fewer_are_asked_for(tmp_path, three):
    refused = reduce("hcm_bias", tagged(three[:2], "BIAS"), tmp_path / "a")
    allowed = reduce("hcm_bias", tagged(three[:2], "BIAS"), tmp_path / "b", min_frames=2)

    assert refused.exit_code == 14
    assert "2 usable frames of 2, 3 expected" in refused.log
    assert allowed.exit_code == 0


def test_too_many_dropped_frames_are_a_failure(tmp_path):
    defects = tuple(Defect(saturated_frame=i) for i in (1, 2, 4))
    sent = frames(FLAT, tmp_path / "raw", defects=defects)
    outcome = reduce("hcm_flat", [*sent, master_bias(tmp_path)], tmp_path / "out")

    assert outcome.exit_code == 14
    assert outcome.log.count("[WARNING]") == 3
    assert "2 usable frames of 5" in outcome.log


def test_a_dark_without_bias_is_refused(tmp_path):
    outcome = reduce("hcm_dark", frames(DARK, tmp_path / "raw"), tmp_path / "out")

    assert outcome.exit_code == 14
    assert "0 files with the tag MASTER_BIAS; hcm_dark needs one" in outcome.log


def test_two_biases_are_one_too_many(tmp_path):
    bias = master_bias(tmp_path)
    outcome = reduce("hcm_dark", [*frames(DARK, tmp_path / "raw"), bias, bias], tmp_path / "out")

    assert outcome.exit_code == 14
    assert "2 files with the tag MASTER_BIAS" in outcome.log


def test_a_bias_of_another_binning_is_refused(tmp_path):
    sent = frames(replace(DARK, binning=2), tmp_path / "raw")
    outcome = reduce("hcm_dark", [*sent, master_bias(tmp_path)], tmp_path / "out")

    assert outcome.exit_code == 13
    assert "MASTER_BIAS of (400, 512) pixels, expected (200, 256)" in outcome.log


def test_a_bias_of_another_instrument_is_refused(tmp_path, three):
    other = reduce("hcm_bias", tagged(three, "BIAS"), tmp_path / "other")
    entries = [
        *frames(DARK, tmp_path / "raw"),
        (other.directory / "master_bias.fits", "MASTER_BIAS"),
    ]
    outcome = reduce("hcm_dark", entries, tmp_path / "out")

    assert outcome.exit_code == 13
    assert "MASTER_BIAS without detector CHIP1" in outcome.log


def test_detectors_of_other_names_are_refused(tmp_path):
    sent = frames(BIAS, tmp_path / "raw")
    path = Path(sent[1][0])
    path.write_bytes(path.read_bytes().replace(b"'CHIP2   '", b"'CHIP9   '"))
    outcome = reduce("hcm_bias", sent, tmp_path / "out")

    assert outcome.exit_code == 13
    assert "detectors ['CHIP1', 'CHIP9'], expected ['CHIP1', 'CHIP2']" in outcome.log


@pytest.mark.parametrize(
    ("raised", "exit_code", "words"),
    [
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), 66, "No space", id="full"),
        pytest.param(PermissionError(errno.EACCES, "Permission denied"), 67, "denied", id="denied"),
        pytest.param(OSError(errno.EIO, "Input/output error"), 5, "Input/output", id="disk"),
        pytest.param(MemoryError(), 134, "raise the limit", id="memory"),
        pytest.param(ZeroDivisionError("oops"), 70, "ZeroDivisionError: oops", id="unexpected"),
    ],
)
def test_trouble_while_writing_leaves_no_product(
    tmp_path, three, monkeypatch, raised, exit_code, words
):
    def write_a_little(path, images, *, checksums):
        path.write_bytes(b"SIMPLE")
        raise raised

    monkeypatch.setattr(products, "write_fits", write_a_little)
    outcome = reduce("hcm_bias", tagged(three, "BIAS"), tmp_path / "out")

    assert outcome.exit_code == exit_code
    assert words in outcome.log
    assert all(LINE.fullmatch(line) for line in outcome.log.splitlines())
    assert outcome.files == set()


def test_the_log_can_be_watched_while_the_recipe_runs(tmp_path, three, monkeypatch):
    seen = []
    reduce_one = command._reduce

    def watched(*arguments):
        seen.append((tmp_path / "out" / "run.log").read_text())
        return reduce_one(*arguments)

    monkeypatch.setattr(command, "_reduce", watched)
    reduce("hcm_bias", tagged(three, "BIAS"), tmp_path / "out")

    assert "hcm_bias: hcm/" in seen[0]
    assert "frames combined" not in seen[0]
