"""The forced refresh: asked by a person, taken by the sweep, done by the same rounds as each hour."""

import datetime as dt

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from pipelines.models import Instrument
from pipelines.services.rounds import INCOMING
from qcweb.people.models import Refresh


def ask_refresh(instrument: Instrument, by: User, at: dt.datetime) -> bool:
    """Ask that an instrument is looked at again; False: it was asked for and not begun yet."""
    try:
        with transaction.atomic():
            Refresh.objects.create(instrument=instrument, asked_by=by, asked_at=at)
    except IntegrityError:
        return False
    return True


def take_refreshes(at: dt.datetime) -> list[str]:
    """Take what was asked for; return the subjects of the rounds that do it, each once.

    New frames first: the round of the instrument finds what they lacked.
    """
    waiting = Refresh.objects.filter(taken_at=None).select_related("instrument").order_by("pk")
    names = [
        one.instrument.name
        for one in waiting
        # Of two sweeps at once one takes it.
        if Refresh.objects.filter(pk=one.pk, taken_at=None).update(taken_at=at)
    ]
    return [INCOMING, *names] if names else []
