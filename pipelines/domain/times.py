"""Modified Julian Dates, UT instants and the night they belong to."""

import datetime as dt

MJD_EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)


def mjd_to_datetime(mjd: float) -> dt.datetime:
    """Return the UT instant of an MJD, to the microsecond.

    >>> mjd_to_datetime(57080.0).isoformat()
    '2015-02-27T00:00:00+00:00'
    """
    return MJD_EPOCH + dt.timedelta(days=mjd)


def datetime_to_mjd(instant: dt.datetime) -> float:
    """Return the MJD of an aware instant.

    >>> datetime_to_mjd(dt.datetime(2015, 2, 27, 12, tzinfo=dt.UTC))
    57080.5
    """
    return (instant - MJD_EPOCH) / dt.timedelta(days=1)


def night_of(mjd: float, rollover_hour: int = 21) -> dt.date:
    """Return the night an instant belongs to: the date of (UT − `rollover_hour`).

    >>> night_of(datetime_to_mjd(dt.datetime(2015, 2, 27, 10, 46, 39, tzinfo=dt.UTC)))
    datetime.date(2015, 2, 26)
    >>> night_of(datetime_to_mjd(dt.datetime(2015, 2, 27, 21, 0, 0, tzinfo=dt.UTC)))
    datetime.date(2015, 2, 27)
    """
    return (mjd_to_datetime(mjd) - dt.timedelta(hours=rollover_hour)).date()


def night_end(night: dt.date, rollover_hour: int = 21) -> dt.datetime:
    """Return the instant at which the next night begins.

    >>> night_end(dt.date(2015, 2, 26)).isoformat()
    '2015-02-27T21:00:00+00:00'
    """
    start = dt.datetime.combine(night, dt.time(rollover_hour), dt.UTC)
    return start + dt.timedelta(days=1)
