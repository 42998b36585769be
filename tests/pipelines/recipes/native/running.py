"""What the tests of the recipes share: small frames of known physics, and a call of a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.recipes.native.cards import card
from pipelines.recipes.native.command import main
from pipelines.recipes.native.fitsfile import FitsFile, Image, open_fits, write_fits
from pipelines.simulator.detector import Physics
from pipelines.simulator.frames import simulate_frames, truth_of
from pipelines.simulator.templates import Defect, Template

BIAS = Template("CCDCAM", "BIAS", datetime(2026, 1, 2, 9, 0, tzinfo=UTC), 5, "SLOW")
DARK = replace(BIAS, kind="DARK", start=datetime(2026, 1, 2, 10, 0, tzinfo=UTC), exptime_s=600.0)
FLAT = replace(
    BIAS, kind="FLAT", start=datetime(2026, 1, 2, 11, 0, tzinfo=UTC), exptime_s=4.0, filter_name="V"
)


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    directory: Path

    @property
    def log(self) -> str:
        return (self.directory / "run.log").read_text()

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()} - {"run.log", "in.sof"}

    def product(self, name: str) -> FitsFile:
        return open_fits(self.directory / name)

    def qc(self, name: str, detector: str) -> dict[str, Any]:
        """Give the measurements of one detector, by keyword without "QC "."""
        for hdu in self.product(name).hdus:
            if hdu.header.text("EXTNAME", "PRIMARY") == detector:
                values = hdu.header.values
                return {k[7:]: v for k, v in values.items() if k.startswith("ESO QC ")}
        raise LookupError(detector)


def reduce(
    recipe: str,
    entries: Sequence[tuple[Path | str, str]],
    directory: Path,
    **parameters: Any,
) -> Outcome:
    """Call a recipe as the command line does, in this process."""
    directory.mkdir(parents=True, exist_ok=True)
    sof = directory / "in.sof"
    sof.write_text("".join(f"{path} {tag}\n" for path, tag in entries))
    options = [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
    fixed = [
        f"--output-dir={directory}",
        f"--products-sof={directory / 'products.json'}",
        f"--log-file={directory / 'run.log'}",
    ]
    return Outcome(main([recipe, str(sof), *fixed, *options]), directory)


def tagged(paths: Sequence[Path], tag: str) -> list[tuple[Path | str, str]]:
    return [(path, tag) for path in paths]


def physics(template: Template, **changes: Any) -> dict[str, Physics]:
    """Give the truth of a template with the same changes on every detector."""
    return {chip: replace(each, **changes) for chip, each in truth_of(template).items()}


def frames(
    template: Template,
    directory: Path,
    truth: Mapping[str, Physics] | None = None,
    defects: tuple[Defect, ...] = (),
) -> list[tuple[Path | str, str]]:
    directory.mkdir(parents=True, exist_ok=True)
    paths = simulate_frames(replace(template, defects=defects), directory, truth=truth)
    return tagged(paths, template.kind)


def master_bias(directory: Path, truth: Mapping[str, Physics] | None = None) -> tuple[Path, str]:
    """Make a master bias with the same detectors as the frames that need it."""
    outcome = reduce("hcm_bias", frames(BIAS, directory / "raw_bias", truth), directory / "bias")
    assert outcome.exit_code == 0, outcome.log
    return directory / "bias" / "master_bias.fits", "MASTER_BIAS"


def plain_frame(path: Path, pixels: NDArray[Any], **keywords: Any) -> Path:
    """Write a file with its image in the primary HDU, and not a keyword more than needed."""
    cards = {"EXPTIME": 0.0, **keywords}
    write_fits(path, [Image(tuple(card(k, v) for k, v in cards.items()), pixels)])
    return path


def noisy(shape: tuple[int, int], seed: int, level: float = 1000.0) -> NDArray[np.uint16]:
    chance = np.random.default_rng(seed)
    return chance.normal(level, 3.0, shape).round().astype(np.uint16)
