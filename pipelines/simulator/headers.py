"""The part of a raw header that all of the observatory's instruments write alike."""

from collections.abc import Iterable
from datetime import datetime

from pipelines.recipes.native.cards import Value, card

from .templates import Exposure, Template, iso_ms, mjd_of

Cards = tuple[str, ...]
Keywords = Iterable[tuple[str, Value]]

_LONGITUDE_DEG = -70.4

_OBJECTS = {
    "BIAS": "BIAS",
    "DARK": "DARK",
    "FLAT": "LAMP,FLAT",
    "SCIENCE": "NGC 253",
    "FOCUS": "FOCUS",
    "TWILIGHT": "FLAT,SKY",
    "ORDER": "LAMP,ORDERDEF",
    "LINEARITY_LAMP": "FLAT,LAMP,DETCHECK",
    "LINEARITY_DARK": "DARK,DETCHECK",
    "ARC": "LAMP,ARC",
    "PTC": "LAMP,PTC",
    "LINEARITY": "LAMP,LINEARITY",
}
# The header's name of an instrument, where it is not the archive's.
_INSTRUMENTS = {"NACO": "NAOS+CONICA"}
# Names of templates that rules ask for.
_TEMPLATES = {("MUSE", "FLAT"): "MUSE_wfm_cal_specflat"}
_CATEGORIES = {"SCIENCE": "SCIENCE", "FOCUS": "TECHNICAL"}
_TYPES = {"SCIENCE": "OBJECT"}


def cards(keywords: Keywords) -> Cards:
    return tuple(card(keyword, value) for keyword, value in keywords)


def arcfile(template: Template, exposure: Exposure) -> str:
    """Give the archive's name for a frame, unique by its time."""
    return f"{template.instrument}.{iso_ms(exposure.start)}.fits"


def common(template: Template, exposure: Exposure, telescope: str, tech: str) -> Keywords:
    """Give the keywords that say who, when, and for what a frame was taken."""
    return (
        *_observation(template, exposure, telescope),
        *_data_product(template, tech),
        *_observation_block(template),
        *_template(template, exposure),
    )


def _observation(template: Template, exposure: Exposure, telescope: str) -> Keywords:
    started = iso_ms(exposure.start)
    midnight = exposure.start.replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        ("ORIGIN", "ESO"),
        ("TELESCOP", telescope),
        ("INSTRUME", _INSTRUMENTS.get(template.instrument, template.instrument)),
        ("OBJECT", _OBJECTS[template.kind]),
        ("RA", 11.888),
        ("DEC", -25.288),
        ("EQUINOX", 2000.0),
        ("RADECSYS", "FK5"),
        ("EXPTIME", float(exposure.exptime_s)),
        ("MJD-OBS", exposure.mjd),
        ("DATE-OBS", started),
        ("DATE", started),
        ("UTC", round((exposure.start - midnight).total_seconds(), 3)),
        ("LST", _sidereal_s(exposure.start)),
        ("ARCFILE", arcfile(template, exposure)),
        ("ORIGFILE", _original_name(template, exposure)),
        ("PI-COI", "UNKNOWN"),
        ("OBSERVER", "UNKNOWN"),
    )


def _data_product(template: Template, tech: str) -> Keywords:
    return (
        ("ESO DPR CATG", _CATEGORIES.get(template.kind, "CALIB")),
        ("ESO DPR TYPE", _TYPES.get(template.kind, _OBJECTS[template.kind])),
        ("ESO DPR TECH", tech),
    )


def _observation_block(template: Template) -> Keywords:
    science = template.kind == "SCIENCE"
    return (
        ("ESO OBS ID", int(mjd_of(template.start) * 1440)),
        ("ESO OBS NAME", "Deep field" if science else "Calibration"),
        ("ESO OBS PROG ID", "114.B-0123(A)" if science else "60.A-9999(A)"),
        ("ESO OBS TARG NAME", _OBJECTS[template.kind] if science else "CALIB"),
        ("ESO OBS START", template.tpl_start),
        ("ESO OBS TPLNO", 1),
    )


def _template(template: Template, exposure: Exposure) -> Keywords:
    arm = f"{template.arm.lower()}_" if template.arm else ""
    name = _TEMPLATES.get(
        (template.instrument, template.kind),
        f"{template.instrument}_{arm}cal_{template.kind.lower()}",
    )
    return (
        ("ESO TPL ID", name),
        ("ESO TPL NAME", name),
        ("ESO TPL START", template.tpl_start),
        ("ESO TPL NEXP", template.planned or template.n_frames),
        ("ESO TPL EXPNO", exposure.number),
        ("ESO TPL SEQNO", 1),
    )


def _original_name(template: Template, exposure: Exposure) -> str:
    day = template.start.timetuple().tm_yday
    return f"{template.instrument}_{template.kind}{day:03d}_{exposure.number:04d}.fits"


def _sidereal_s(when: datetime) -> float:
    """Give the local sidereal time in seconds, good to a second."""
    days = mjd_of(when) - 51544.5
    degrees = (280.46062 + 360.98564737 * days + _LONGITUDE_DEG) % 360
    return round(degrees * 240, 3)


def sky_axes(nx: int, ny: int, scale_deg: float) -> Keywords:
    """Give a plane of the sky about the middle of an image; `scale_deg` is that of a pixel."""
    return (
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CRVAL1", 11.888),
        ("CRVAL2", -25.288),
        ("CRPIX1", nx / 2),
        ("CRPIX2", ny / 2),
        ("CD1_1", -scale_deg),
        ("CD1_2", 0.0),
        ("CD2_1", 0.0),
        ("CD2_2", scale_deg),
    )


def pixel_axes() -> Keywords:
    """Give the coordinate keywords without which UVES and others do not begin."""
    return (
        ("CTYPE1", "PIXEL"),
        ("CTYPE2", "PIXEL"),
        ("CRPIX1", 1.0),
        ("CRPIX2", 1.0),
        ("CRVAL1", 1.0),
        ("CRVAL2", 1.0),
        ("CDELT1", 1.0),
        ("CDELT2", 1.0),
    )
