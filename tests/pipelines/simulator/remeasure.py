"""Measure again what the recipes give on simulated frames, for `pipelines/simulator/measured.csv`.

Run by hand after a change of the simulated detectors or of a recipe; takes about a minute::

    python -m tests.pipelines.simulator.remeasure
"""

import csv
import tempfile
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from pipelines.simulator.history import MEASURED
from pipelines.simulator.nights import ordinary_night
from pipelines.simulator.series import series_of
from pipelines.simulator.templates import mjd_of
from tests.pipelines.simulator.observatory import rows_of, run_night

N_NIGHTS = 24


def main() -> None:
    values = defaultdict(list)
    for i in range(N_NIGHTS):
        night = ordinary_night(date(2024, 1, 5) + timedelta(days=16 * i))
        with tempfile.TemporaryDirectory() as directory:
            results = run_night(night, Path(directory), instruments={"CCDCAM", "UVES", "MUSE"})
            for template, result in results.items():
                for key, value in undrifted(template, result):
                    values[key].append(value)
    with MEASURED.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["table", "setup", "detector", "column", "mean", "sigma", "step"])
        for key, measured in values.items():
            writer.writerow([*key, *summary(measured)])


def undrifted(template, result):
    """Yield every number of a block with the drift of its night taken out."""
    mjd = np.array([mjd_of(template.start)])
    known = {series.detector: series for series in series_of(template)}
    for row in rows_of(template, result):
        series = known[row.detector]
        for column, value in row.columns.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                added, factor = series.drift(column, mjd)
                free = (value - added[0]) / factor[0]
                yield (series.table, series.setup, series.detector, column), (value, free)


def summary(measured):
    raw = np.array([value for value, _ in measured])
    free = np.array([value for _, value in measured])
    whole = bool(np.array_equal(raw, np.rint(raw)))
    return f"{free.mean():.6g}", f"{free.std(ddof=1):.3g}", 1 if whole else 0


if __name__ == "__main__":
    main()
