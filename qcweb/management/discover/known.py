"""What no installed file says: measured with the recipes of Debian 12, for the user to review."""

import re

# Where the header's INSTRUME is not the dictionary's name.
HEADER_NAMES = {"NACO": ("NAOS+CONICA",)}

# Recipes that call their input by other names than the rules: the rules' tag -> the recipe's.
TAGS = {
    "hawki_linearity_analyse": {
        "DETLIN_DARK": "DARK_DETCHECK",
        "DETLIN_LAMP": "FLAT_LAMP_DETCHECK",
    },
    "vimos_ima_det_noise": {"IMG_SKY_FLAT": "FLAT_TWILIGHT"},
}

# Products of recipes whose manual pages do not name them.
PRODUCTS = {
    "uves_cal_mkmaster": ("MASTER_BIAS_BLUE", "MASTER_BIAS_REDL", "MASTER_BIAS_REDU"),
    "uves_cal_mdark": ("MASTER_DARK_BLUE", "MASTER_DARK_REDL", "MASTER_DARK_REDU"),
    "uves_cal_orderpos": ("ORDER_TABLE_BLUE",),
    "gimasterbias": ("MASTER_BIAS", "BAD_PIXEL_MAP"),
    "gimasterdark": ("MASTER_DARK",),
    "hawki_dark_combine": ("MASTER_DARK",),
    "hawki_twilight_flat_combine": ("MASTER_TWILIGHT_FLAT", "MASTER_CONF", "MASTER_BPM"),
    "hawki_detector_noise": ("MASTER_READGAIN",),
    "hawki_linearity_analyse": ("COEFFS_CUBE", "BP_MAP_NL", "DET_LIN_INFO"),
    "naco_img_dark": ("NACO_IMG_DARK_AVG",),
    "naco_img_lampflat": ("MASTER_LAMP_FLAT",),
    "vimos_ima_det_noise": ("MASTER_READGAIN",),
}  # fmt: skip

# Pipelines that write their QC parameters into the image extensions, not the primary header.
_IN_EXTENSIONS = ("hawki_", "vimos_ima_")

# How far an index counts: outputs of a detector, and the quadrants that a description speaks of.
_INDICES = ((re.compile(r"\bOUTi\b"), 4), (re.compile(r"\bquadrant\b"), 4))


def writes_into_extensions(recipe: str) -> bool:
    return recipe.startswith(_IN_EXTENSIONS)


def last_index(name: str, description: str) -> int:
    """Return how far the index in a parameter's name counts; 0 when nobody says."""
    if sum(one.islower() for one in name) != 1 or "i" not in name:
        return 0
    said = f"{name} {description}"
    return next((last for pattern, last in _INDICES if pattern.search(said)), 0)
