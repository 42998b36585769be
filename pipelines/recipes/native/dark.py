"""hcm_dark: what time alone does to a detector, dark current and hot pixels."""

import numpy as np

from .cosmics import find_cosmics
from .measure import clipped, frame_noise, median_level
from .recipe import COMMON_PARAMETERS, QC, Parameter, Recipe, Reduced, Stack
from .stack import combine


def reduce_dark(stack: Stack) -> Reduced:
    # The shift comes last: whole ADU until then let the median be interpolated.
    shift = np.float32(stack.bias_shift())
    master = combine(stack.detectors) - stack.calibration("MASTER_BIAS").pixels()
    median = median_level(master) - float(shift)
    master -= shift
    # A median of skewed Poisson counts is a little low: 1.5 % at two electrons in five frames.
    core = clipped(master)
    hot = master > core.mean + stack.parameters["hot-kappa"] * core.sigma
    noise = frame_noise(stack.detectors)
    conad = stack.keyword("ESO DET OUT1 CONAD")
    first = stack.detectors[0].pixels() - stack.bias()
    cosmics = find_cosmics(first, conad=conad, read_noise=noise, known=hot)
    electrons_per_hour = conad * 3600.0 / stack.exposed_s()
    measurements = (
        QC("QC DARK CURRENT", core.mean * electrons_per_hour, "[e-/h/pix] mean dark current"),
        QC("QC DARK MEDIAN", median, "[ADU] median of the master dark"),
        QC("QC DARK RON", noise, "[ADU] noise of one dark"),
        QC("QC DARK NHOT", int(np.count_nonzero(hot)), "[] hot pixels"),
        QC("QC DARK NCOSMIC", int(np.count_nonzero(cosmics)), "[] pixels hit in the first frame"),
    )
    return Reduced({"MASTER_DARK": master, "HOT_PIXEL_MAP": hot.astype(np.uint8)}, measurements)


RECIPE = Recipe(
    name="hcm_dark",
    kind="DARK",
    products={"MASTER_DARK": "master_dark.fits", "HOT_PIXEL_MAP": "hot_pixel_map.fits"},
    reduce=reduce_dark,
    needs=("MASTER_BIAS",),
    parameters=(
        *COMMON_PARAMETERS,
        Parameter("hot-kappa", 10.0, 3.0, 1000.0, "distance of a hot pixel, in sigma"),
    ),
)
