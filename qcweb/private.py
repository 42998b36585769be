"""What anybody may see of a frame; the rest is for those who log in, while data are proprietary.

Open is what is known to be a calibration: what says CALIB, or a product without a sign of science,
of the observatory's own programmes or of none. All else may be somebody's science: acquisitions
show targets, and science products say neither CALIB nor SCIENCE.
"""

import datetime as dt

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q

from pipelines.models import RawFile

_CALIBRATION = "CALIB"
# Programmes of the observatory itself: calibration, commissioning, technical time.
_TECHNICAL = "60."
_PRO_SCIENCE = "PRO.SCIENCE"
# What says that a product is not science, beside not having the keyword.
_NO = (False, 0, "F")


def may_see_header(user: User | AnonymousUser, frame: RawFile, at: dt.datetime) -> bool:
    """Whether somebody may see a frame's header, its picture and whose programme it is."""
    return user.is_authenticated or _is_calibration(frame) or frame.night < _public_before(at)


def visible_purpose(user: User | AnonymousUser, at: dt.datetime) -> Q:
    """Return the frames whose headers somebody may see, so that they may be searched."""
    if user.is_authenticated:
        return Q()
    return _calibrations() | Q(night__lt=_public_before(at))


def _is_calibration(frame: RawFile) -> bool:
    if frame.is_science:
        return False
    if _PRO_SCIENCE in frame.keywords and frame.keywords[_PRO_SCIENCE] not in _NO:
        return False
    if frame.dpr_catg == _CALIBRATION:
        return True
    is_product = bool(frame.pro_catg) and not frame.dpr_catg
    return is_product and (not frame.program_id or frame.program_id.startswith(_TECHNICAL))


def _calibrations() -> Q:
    """Return the same question as `_is_calibration`, for the database."""
    says_no = Q((f"keywords__{_PRO_SCIENCE}__isnull", True))
    for word in _NO:
        says_no |= Q((f"keywords__{_PRO_SCIENCE}", word))
    is_product = Q(dpr_catg="") & ~Q(pro_catg="")
    is_technical = Q(program_id="") | Q(program_id__startswith=_TECHNICAL)
    is_open = Q(dpr_catg=_CALIBRATION) | (is_product & is_technical)
    return Q(is_science=False) & says_no & is_open


def _public_before(at: dt.datetime) -> dt.date:
    return (at - dt.timedelta(days=settings.HCM_PROPRIETARY_DAYS)).date()
