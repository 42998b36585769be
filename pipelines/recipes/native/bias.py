"""hcm_bias: the level, the noise and the pattern that a detector has without light or time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .measure import (
    CLIP_SIGMA,
    clipped,
    clipped_pieces,
    frame_noise,
    median_level,
    overscan_level,
    row_pieces,
)
from .recipe import COMMON_PARAMETERS, QC, Parameter, Recipe, Reduced, Stack
from .stack import combine


def reduce_bias(stack: Stack) -> Reduced:
    master = combine(stack.detectors)
    columns, rows = _profiles(master)

    # Row and column means are the structure; what they do not explain is noise.
    def rest() -> Iterator[NDArray[np.float32]]:
        expected = columns - np.float32(columns.mean())
        for some, piece in row_pieces(master):
            yield piece - expected - rows[some, np.newaxis]

    core = clipped_pieces(rest)
    far = stack.parameters["outlier-kappa"] * core.sigma
    outliers = sum(int(np.count_nonzero(np.abs(piece - core.mean) > far)) for piece in rest())
    measurements = (
        QC("QC BIAS LEVEL", median_level(master), "[ADU] median of the master bias"),
        *_overscan(stack),
        QC("QC BIAS RON RAW", frame_noise(stack.detectors), "[ADU] read noise of one frame"),
        QC("QC BIAS RON MASTER", core.sigma, "[ADU] noise of the master bias"),
        QC("QC BIAS STRUCT X", float(columns.std()), "[ADU] scatter of the column means"),
        QC("QC BIAS STRUCT Y", float(rows.std()), "[ADU] scatter of the row means"),
        QC("QC BIAS NOUTLIER", outliers, "[] pixels far from the structure"),
    )
    return Reduced({"MASTER_BIAS": master}, measurements)


def _profiles(master: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the column and row means, with no single pixel able to move one of them far."""
    core = clipped(master)
    reach = CLIP_SIGMA * core.sigma
    columns = np.zeros(master.shape[1])
    rows = np.empty(master.shape[0], np.float32)
    for some, piece in row_pieces(master):
        tamed = np.clip(piece, core.mean - reach, core.mean + reach)
        columns += tamed.sum(axis=0)
        rows[some] = tamed.mean(axis=1)
    return (columns / master.shape[0]).astype(np.float32), rows


def _overscan(stack: Stack) -> tuple[QC, ...]:
    level = overscan_level(stack.detectors)
    return () if level is None else (QC("QC BIAS OVERSCAN", level, "[ADU] level out of the light"),)


RECIPE = Recipe(
    name="hcm_bias",
    kind="BIAS",
    products={"MASTER_BIAS": "master_bias.fits"},
    reduce=reduce_bias,
    parameters=(
        *COMMON_PARAMETERS,
        Parameter("outlier-kappa", 8.0, 3.0, 1000.0, "distance of an outlier, in sigma"),
    ),
)
