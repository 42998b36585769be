"""Raw frames: the browser over all nights, and the page of one frame."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import CalibrationLink, Instrument, RawFile
from pipelines.services.headers import HeaderView, read_header_of
from pipelines.services.hiding import HidingError, hide_frame, show_frame
from pipelines.services.quicklook import Hdu, NoPictureError, quicklook
from qcweb.private import may_see_header
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.nights import find_instrument, parse_night
from qcweb.web.views.people import person, take_typed

PAGE = 100
STATES: dict[str, tuple[str, Q]] = {
    "": ("all frames", Q()),
    "calibration": ("calibrations", Q(is_science=False, pro_catg="") & ~Q(raw_type="")),
    "science": ("science", Q(is_science=True)),
    "master": ("masters on disk", ~Q(pro_catg="")),
    "unclassified": ("no rule classifies them", Q(raw_type="", pro_catg="")),
    "damaged": ("damaged", ~Q(problem="")),
    "gone": ("gone from disk", Q(gone_at__isnull=False)),
    "hidden": ("hidden", Q(hidden_at__isnull=False)),
}


@dataclass(frozen=True)
class Filters:
    """What the browser was asked for; every field may be empty."""

    instrument: str
    night: str
    raw_type: str
    setup: str
    state: str
    q: str

    @classmethod
    def read(cls, request: HttpRequest) -> "Filters":
        return cls(*(request.GET.get(name, "").strip()[:200] for name in cls.__annotations__))

    def apply(self, frames: QuerySet[RawFile]) -> QuerySet[RawFile]:
        if self.instrument:
            frames = frames.filter(instrument=find_instrument(self.instrument))
        if self.night:
            frames = frames.filter(night=parse_night(self.night))
        if self.raw_type:
            frames = frames.filter(Q(raw_type=self.raw_type) | Q(pro_catg=self.raw_type))
        if self.setup:
            frames = frames.filter(setup__icontains=self.setup)
        if self.q:
            frames = frames.filter(name__icontains=self.q)
        return frames.filter(self._state())

    def _state(self) -> Q:
        if self.state not in STATES:
            raise ProblemError(
                Problem(400, "Unknown state", f"state={self.state!r} is none.",
                        where="state", hint=f"Known are {', '.join(filter(None, STATES))}.")
            )  # fmt: skip
        return STATES[self.state][1]


def raw_frames(request: HttpRequest) -> HttpResponse:
    filters = Filters.read(request)
    frames = (
        filters.apply(RawFile.objects.all())
        .select_related("instrument")
        .defer("keywords", "trace")
        .prefetch_related("block_frames__block")
        .order_by("-mjd_obs", "-pk")
    )
    page = _page(Paginator(frames, PAGE), request)
    return render(
        request,
        "raw_frames.html",
        {
            "page": page,
            "filters": filters,
            "instruments": Instrument.objects.observing().values_list("name", flat=True),
            "raw_types": _raw_types(filters),
            "states": [(key, words) for key, (words, _) in STATES.items()],
            "query": _without_page(request),
        },
    )


def _page(pages: "Paginator[RawFile]", request: HttpRequest) -> "Page[RawFile]":
    text = request.GET.get("page", "1")
    if not (text.isascii() and text.isdigit() and 1 <= len(text) < 8):
        raise ProblemError(
            Problem(400, "Unknown page", f"page={text!r}.", where="page", hint="Pages are numbers.")
        )
    return pages.get_page(int(text))


def _raw_types(filters: Filters) -> list[str]:
    frames = RawFile.objects.exclude(raw_type="")
    if filters.instrument:
        frames = frames.filter(instrument__name=filters.instrument)
    return list(frames.order_by("raw_type").values_list("raw_type", flat=True).distinct())


def _without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


def find_frame(pk: int) -> RawFile:
    frame = (
        RawFile.objects.select_related("instrument", "root", "rule_set", "hidden_by")
        .filter(pk=pk)
        .first()
    )
    if frame is None:
        raise ProblemError(
            Problem(404, "Unknown frame", f"There is no frame {pk}.", where="pk",
                    hint="Find it among the raw frames.")
        )  # fmt: skip
    return frame


@dataclass(frozen=True)
class Fired:
    """A classification rule that held: its line, how it begins, and what it overwrote."""

    line: int
    text: str
    overwritten: list[dict[str, object]]


def frame(request: HttpRequest, pk: int) -> HttpResponse:
    found = find_frame(pk)
    is_open = may_see_header(request.user, found, timezone.now())
    number = _hdu(request)
    view = read_header_of(found, number) if is_open else HeaderView([], [])
    if is_open and number and number >= len(view.hdus):
        raise ProblemError(
            Problem(404, "No such HDU", f"{found.name} has {len(view.hdus)} HDUs.", where="hdu",
                    hint="They are numbered from 0.")
        )  # fmt: skip
    return render(
        request,
        "frame.html",
        {
            "frame": found,
            "comments": found.comments.standing(),
            "typed_comment": take_typed(request, f"comment {request.path}"),
            "is_open": is_open,
            "view": view,
            "hdu": number,
            "shown": view.hdus[number] if number < len(view.hdus) else None,
            "pictured": _pictured(view, number),
            "fired": _fired(found),
            "assigned": found.trace.get("assigned", {}),
            "block_frames": found.block_frames.select_related("block").order_by("block__night"),
            "used_by": _used_by(found),
            "events": found.events.select_related("decided_by").order_by("-pk"),
            "neighbours": _neighbours(found),
        },
    )


def _pictured(view: HeaderView, number: int) -> Hdu | None:
    """Return the HDU whose picture is shown: the chosen one, or the first that holds an image."""
    chosen = [one for one in view.hdus if one.number == number]
    return next((one for one in [*chosen, *view.hdus] if one.is_image), None)


def _hdu(request: HttpRequest) -> int:
    text = request.GET.get("hdu", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise ProblemError(
            Problem(400, "Unknown HDU", f"hdu={text!r}.", where="hdu",
                    hint="HDUs are numbered from 0.")
        )  # fmt: skip
    return int(text)


def _fired(found: RawFile) -> list[Fired]:
    lines = found.rule_set.text.splitlines() if found.rule_set else []
    overwritten = found.trace.get("overwritten", [])
    return [
        Fired(
            line,
            lines[line - 1].strip() if 0 < line <= len(lines) else "",
            [one for one in overwritten if one["line"] == line],
        )
        for line in found.trace.get("fired", [])
    ]


def _used_by(found: RawFile) -> list[CalibrationLink]:
    return list(found.used_by.select_related("block").order_by("block__mjd_obs"))


def _neighbours(found: RawFile) -> dict[str, RawFile | None]:
    others = RawFile.objects.filter(instrument=found.instrument_id, pro_catg="").only("pk", "name")
    return {
        "before": others.filter(mjd_obs__lt=found.mjd_obs).order_by("-mjd_obs").first(),
        "after": others.filter(mjd_obs__gt=found.mjd_obs).order_by("mjd_obs").first(),
    }


def look(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Send the picture of one HDU."""
    found = find_frame(pk)
    if not may_see_header(request.user, found, timezone.now()):
        raise ProblemError(
            Problem(403, "Proprietary", "Pictures of science frames need a login.", hint="Log in.")
        )
    try:
        png = quicklook(found, number)
    except NoPictureError as error:
        raise ProblemError(Problem(404, "No picture", str(error))) from error
    response = HttpResponse(png, content_type="image/png")
    response["Cache-Control"] = "private, max-age=3600"
    return response


@require_POST
def hide(request: HttpRequest, pk: int) -> HttpResponse:
    found = find_frame(pk)
    by, reason = person(request), request.POST.get("reason", "")
    try:
        if request.POST.get("act") == "show":
            affected = show_frame(found, by, timezone.now())
            messages.success(request, f"{found.name} is used again; {affected}.")
        else:
            affected = hide_frame(found, by, reason, timezone.now())
            messages.success(request, f"{found.name} is hidden; {affected}.")
    except HidingError as error:
        messages.error(request, str(error))
    return redirect("frame", pk=pk)
