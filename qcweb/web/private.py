"""Headers of science frames are for those who log in, as long as the data are proprietary.

A frame that no rule classifies may be anything, so it counts as science unless it says CALIB.
"""

import datetime as dt

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q

from pipelines.models import RawFile

_CALIBRATION, _SCIENCE = "CALIB", "SCIENCE"


def may_see_header(user: User | AnonymousUser, frame: RawFile, at: dt.datetime) -> bool:
    """Whether somebody may see a frame's header, its picture and whose programme it is."""
    is_unknown = not frame.raw_type and not frame.pro_catg and frame.dpr_catg != _CALIBRATION
    is_science = frame.is_science or frame.dpr_catg == _SCIENCE or is_unknown
    return not is_science or user.is_authenticated or frame.night < _public_before(at)


def visible_purpose(user: User | AnonymousUser, at: dt.datetime) -> Q:
    """Return the frames whose programme, target and observation block may be searched."""
    if user.is_authenticated:
        return Q()
    is_unknown = Q(raw_type="", pro_catg="") & ~Q(dpr_catg=_CALIBRATION)
    is_science = Q(is_science=True) | Q(dpr_catg=_SCIENCE) | is_unknown
    return ~is_science | Q(night__lt=_public_before(at))


def _public_before(at: dt.datetime) -> dt.date:
    return (at - dt.timedelta(days=settings.HCM_PROPRIETARY_DAYS)).date()
