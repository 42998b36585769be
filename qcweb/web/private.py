"""Headers of science frames are for those who log in, as long as the data are proprietary."""

import datetime as dt

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q

from pipelines.models import RawFile


def may_see_header(user: User | AnonymousUser, frame: RawFile, at: dt.datetime) -> bool:
    """Whether somebody may see a frame's header, its picture and whose programme it is."""
    return not frame.is_science or user.is_authenticated or frame.night < _public_before(at)


def visible_purpose(user: User | AnonymousUser, at: dt.datetime) -> Q:
    """Return the frames whose programme, target and observation block may be searched."""
    if user.is_authenticated:
        return Q()
    return Q(is_science=False) | Q(night__lt=_public_before(at))


def _public_before(at: dt.datetime) -> dt.date:
    return (at - dt.timedelta(days=settings.HCM_PROPRIETARY_DAYS)).date()
