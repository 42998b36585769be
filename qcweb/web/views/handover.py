"""Certified masters to take along: what there is of some nights, and the archive of it."""

import datetime as dt
import tempfile
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import ActKind, Instrument
from pipelines.services.control import record
from qcweb import looks
from qcweb.auditing import tell
from qcweb.certification.handover import HandOverError, Master, masters_of, write_tar
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.nights import find_instrument, parse_night
from qcweb.web.views.people import person

# Nights that are offered when none are chosen.
USUAL_DAYS = 7
# More is for the command line: nobody reads so long a list, or waits for so large an answer.
MOST_MASTERS = 2000


def handover(request: HttpRequest, instrument: str) -> HttpResponse:
    """List the certified masters of some nights."""
    found = find_instrument(instrument)
    since, until = _nights(request)
    masters = masters_of(found, since, until, MOST_MASTERS)
    is_cut = len(masters) > MOST_MASTERS
    masters = masters[:MOST_MASTERS]
    return render(
        request,
        "handover.html",
        {
            "instrument": found,
            "instruments": Instrument.objects.observing(),
            "since": since,
            "until": until,
            "masters": [(one, looks.DECISIONS[one.decision.decision]) for one in masters],
            "is_cut": is_cut,
            "size": sum(one.product.size for one in masters),
        },
    )


@require_POST
def archive(request: HttpRequest, instrument: str) -> HttpResponseBase:
    """Send the masters of some nights as a tar file; who took them is recorded."""
    found = find_instrument(instrument)
    since, until = _nights(request)
    masters: list[Master] = masters_of(found, since, until, MOST_MASTERS)
    if len(masters) > MOST_MASTERS:
        raise ProblemError(
            Problem(409, "Too many masters", f"There are more than {MOST_MASTERS} in these nights.",
                    hint="Choose fewer nights, or use `manage.py hand_over`.")
        )  # fmt: skip
    name = f"{found.name}_{since:%Y-%m-%d}_{until:%Y-%m-%d}.tar"
    # The file is gone from its directory before it is sent: nothing is left however that ends.
    with tempfile.TemporaryDirectory(dir=settings.HCM_DATA_DIR, prefix="handover-") as folder:
        target = Path(folder) / name
        try:
            write_tar(masters, target)
        except HandOverError as error:
            raise ProblemError(Problem(409, "Nothing is handed over", str(error))) from error
        stream = target.open("rb")
    record(ActKind.HAND_OVER, timezone.now(), person(request), instrument=found,
           target=name, names=[one.name for one in masters])  # fmt: skip
    tell(request, after={"file": name, "masters": len(masters)})
    return FileResponse(stream, as_attachment=True, filename=name,
                        content_type="application/x-tar")  # fmt: skip


def _nights(request: HttpRequest) -> tuple[dt.date, dt.date]:
    given = request.POST if request.method == "POST" else request.GET
    today = timezone.now().date()
    until = parse_night(given["until"]) if given.get("until") else today
    usual = until - dt.timedelta(days=USUAL_DAYS)
    since = parse_night(given["since"]) if given.get("since") else usual
    return min(since, until), max(since, until)
