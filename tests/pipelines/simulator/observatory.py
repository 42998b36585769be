"""A pocket observatory for tests: runs the recipes of a night and reads what they measured.

It knows as little as possible: which recipe takes which frames, and that a dark or flat uses the
bias of its own night and set-up. What the instrument folders say is read from them.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.recipes.native.cards import Header
from pipelines.recipes.native.fitsfile import open_fits
from pipelines.simulator.frames import simulate_frames
from pipelines.simulator.nights import Night
from pipelines.simulator.templates import Template

ROOT = Path(__file__).parents[3]
INSTRUMENTS = ROOT / "qcweb" / "instruments"
RECIPES = {
    ("CCDCAM", "BIAS"): "hcm_bias",
    ("CCDCAM", "DARK"): "hcm_dark",
    ("CCDCAM", "FLAT"): "hcm_flat",
    ("UVES", "BIAS"): "uves_cal_mbias",
    ("UVES", "DARK"): "uves_cal_mdark",
    ("MUSE", "BIAS"): "muse_bias",
    ("MUSE", "DARK"): "muse_dark",
}


Definition = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    exit_code: int
    products: Mapping[str, Path] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True)
class Row:
    """One QC1 row: table, detector, product category, and all columns by name."""

    table: str
    detector: str
    pro_catg: str
    columns: Mapping[str, Any]


def run_block(
    template: Template, frames: Sequence[Path], masters: Mapping[str, Path], workdir: Path
) -> Result:
    """Run the recipe of a template as a process of its own, in an empty directory."""
    workdir.mkdir(parents=True)
    recipe = RECIPES[template.instrument, template.kind]
    lines = [f"{path} {template.raw_type}" for path in frames]
    lines += [f"{path} {category}" for category, path in masters.items()]
    sof = workdir / "in.sof"
    sof.write_text("\n".join(lines) + "\n")
    options = [
        f"--output-dir={workdir}",
        f"--products-sof={workdir / 'products.json'}",
        "--log-file=run.log"
        if template.instrument != "CCDCAM"
        else f"--log-file={workdir}/run.log",
    ]
    if template.instrument == "CCDCAM":
        command = [sys.executable, "-m", "pipelines.recipes.native", recipe, str(sof), *options]
    else:
        command = _esorex(template, recipe, options, sof, workdir)
    where = ROOT if template.instrument == "CCDCAM" else workdir
    environment = {**os.environ, "HOME": str(workdir), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, check=False)
    log = workdir / "run.log"
    text = log.read_text() if log.exists() else done.stderr.decode()
    return Result(done.returncode, _products(workdir), text)


def _esorex(
    template: Template, recipe: str, options: list[str], sof: Path, workdir: Path
) -> list[str]:
    plugins = find_plugins(template.instrument)[0]
    extra = ["--nifu=1"] if template.instrument == "MUSE" else []
    return [
        str(shutil.which("esorex")),
        f"--recipe-dir={plugins}",
        f"--log-dir={workdir}",
        *options,
        recipe,
        *extra,
        str(sof),
    ]


def find_plugins(instrument: str) -> list[Path]:
    """Find the folders of an instrument's recipes; Debian puts them under the architecture."""
    return sorted(Path("/usr/lib").glob(f"*/cpl/plugins/{instrument.lower()}-*"))


def _products(workdir: Path) -> dict[str, Path]:
    listed = workdir / "products.json"
    if not listed.exists():
        return {}
    return {each["category"]: workdir / each["name"] for each in json.loads(listed.read_text())}


def run_night(night: Night, directory: Path, *, instruments: set[str]) -> dict[Template, Result]:
    """Run every block of a night that the rules would run, biases first."""
    results: dict[Template, Result] = {}
    blocks = [
        t
        for t in night.templates
        if t.instrument in instruments and t.expectation and t.expectation.process != "NONE"
    ]
    for template in sorted(blocks, key=lambda t: t.kind != "BIAS"):
        name = f"{night.label}_{template.instrument}_{template.raw_type}_{template.tpl_start}"
        raw = directory / name / "raw"
        raw.mkdir(parents=True)
        frames = simulate_frames(template, raw)
        masters = {} if template.kind == "BIAS" else masters_for(template, results)
        results[template] = run_block(template, frames, masters, directory / name / "run")
    return results


def masters_for(template: Template, results: Mapping[Template, Result]) -> Mapping[str, Path]:
    for other, result in results.items():
        if (other.instrument, other.kind, other.arm, other.read_mode, other.binning) == (
            template.instrument,
            "BIAS",
            template.arm,
            template.read_mode,
            template.binning,
        ):
            return result.products
    raise LookupError(template)


def qc1_tables(instrument: str) -> list[Definition]:
    text = (INSTRUMENTS / instrument.lower() / "qc1.toml").read_text()
    tables: list[Definition] = tomllib.loads(text)["tables"]
    return tables


def rows_of(template: Template, result: Result) -> Iterator[Row]:
    """Read the QC1 rows of a block's products as the instrument's tables say."""
    for table in qc1_tables(template.instrument):
        if template.raw_type not in table["raw_types"]:
            continue
        for product in table["products"]:
            path = result.products.get(product["pro_catg"])
            if path is not None:
                yield from _rows_of_product(table, product, path)


def _rows_of_product(table: Definition, product: Definition, path: Path) -> Iterator[Row]:
    fits = open_fits(path)
    if product["extensions"] == "primary":
        headers = [(product["detector"], fits.primary)]
    else:
        headers = [(hdu.header.text("EXTNAME"), hdu.header) for hdu in fits.hdus[1:]]
    for detector, header in headers:
        columns = {
            column["name"]: look_up(column["keyword"], header, fits.primary)
            for column in table["columns"]
        }
        yield Row(table["name"], detector, product["pro_catg"], columns)


def look_up(keywords: str | list[str], *headers: Header) -> object:
    for keyword in [keywords] if isinstance(keywords, str) else keywords:
        for header in headers:
            for name in (keyword, "ESO " + keyword.replace(".", " ")):
                if name in header:
                    return header[name]
    return None
