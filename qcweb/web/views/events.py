"""Quality events: what happened to an instrument, and the references that hold since then."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.domain.times import datetime_to_mjd
from pipelines.models import Instrument
from qcweb.access import rights_in
from qcweb.people.services.rights import Reach
from qcweb.problems import Problem, ProblemError
from qcweb.web.views.people import keep_typed, person, reason_of, take_typed
from trending.models import EventKind, QC1Parameter, QC1Table, QualityEvent, ReferenceValue
from trending.services import events as service
from trending.services.corrections import CorrectionError
from trending.services.proposals import FIRST_BLOCKS, proposals, tables_of
from trending.services.rescoring import rows_left

FIRST, LAST = dt.datetime(1980, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


class EventForm(forms.Form):
    """What happened, when, and to what."""

    instrument = forms.ModelChoiceField(
        Instrument.objects.filter(qc1_tables__isnull=False).distinct(),
        to_field_name="name", empty_label="choose",
    )  # fmt: skip
    title = forms.CharField(max_length=200, help_text="Stands beside the line in every plot.")
    happened_at = forms.DateTimeField(
        label="Since, UT", help_text="E.g. 2026-03-01 12:00; from then on values may be others."
    )
    kind = forms.ChoiceField(choices=EventKind.choices)
    table = forms.ModelChoiceField(
        QC1Table.objects.all(), to_field_name="name", required=False, empty_label="all tables"
    )
    parameter = forms.CharField(
        required=False, max_length=64, help_text="One parameter of the table; empty: all."
    )
    begins_epoch = forms.BooleanField(
        required=False, initial=True,
        label="An epoch begins",
        help_text="Statistics never reach over it, and what came after is scored again. A note begins none.",
    )  # fmt: skip
    description = forms.CharField(
        required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 4})
    )

    def __init__(self, mine: Reach, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        if mine.names is not None:
            for name, column in (("instrument", "name"), ("table", "instrument__name")):
                known = self.fields[name].queryset  # type: ignore[attr-defined]
                self.fields[name].queryset = known.filter(  # type: ignore[attr-defined]
                    **{f"{column}__in": mine.names}
                )

    def clean_happened_at(self) -> dt.datetime:
        instant: dt.datetime = self.cleaned_data["happened_at"]
        if not FIRST <= instant <= LAST:
            raise forms.ValidationError(f"Choose a time from {FIRST:%Y} to {LAST:%Y}.")
        return instant

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        table, instrument = found.get("table"), found.get("instrument")
        if table and instrument and table.instrument_id != instrument.pk:
            self.add_error("table", f"{table.name} is no table of {instrument.name}.")
        name = found.get("parameter")
        found["parameter"] = None
        if name:
            if table is None:
                self.add_error("parameter", "Choose its table too.")
            else:
                found["parameter"] = QC1Parameter.objects.filter(table=table, name=name).first()
                if found["parameter"] is None:
                    known = ", ".join(table.parameters.values_list("name", flat=True))
                    self.add_error("parameter", f"{table.name} has no {name}; known are {known}.")
        return found


def events(request: HttpRequest) -> HttpResponse:
    """List the events; posted, declare one."""
    form = EventForm(rights_in(request).science, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        typed = form.cleaned_data
        try:
            made = service.declare(
                typed["instrument"], EventKind(typed["kind"]),
                datetime_to_mjd(typed["happened_at"]), typed["title"],
                author=person(request).get_username(), at=timezone.now(),
                description=typed["description"], table=typed["table"],
                parameter=typed["parameter"], begins_epoch=typed["begins_epoch"],
            )  # fmt: skip
        except CorrectionError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{made.title}: written down.")
            return redirect("event", pk=made.pk)
    found = QualityEvent.objects.select_related("instrument", "table", "parameter__table")
    status = 400 if request.method == "POST" else 200
    return render(request, "events.html", {"events": found, "form": form}, status=status)


def _find(pk: int) -> QualityEvent:
    events_known = QualityEvent.objects.select_related("instrument", "table", "parameter__table")
    found: QualityEvent | None = events_known.filter(pk=pk).first()
    if found is None:
        raise ProblemError(
            Problem(404, "Unknown event", f"There is no event {pk}.", where="pk",
                    hint="See the list of events.")
        )  # fmt: skip
    return found


def event(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an event, and the references it suggests."""
    found = _find(pk)
    is_open = found.superseded_at is None
    return render(
        request,
        "event.html",
        {
            "event": found,
            "is_open": is_open,
            "rows_left": rows_left(tables_of(found)),
            "proposals": proposals(found) if is_open and found.begins_epoch else [],
            "references": ReferenceValue.objects.filter(event=found).select_related("parameter"),
            "first": FIRST_BLOCKS,
            "typed": take_typed(request, f"event {pk}"),
        },
    )


@require_POST
def adopt(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the chosen proposals the references from the event on."""
    found = _find(pk)
    wanted = set(request.POST.getlist("chosen"))
    chosen = [one for one in proposals(found) if str(one.series_id) in wanted]
    if not chosen:
        messages.error(request, "Nothing was chosen, or it is not proposed any more.")
        keep_typed(request, f"event {pk}", request.POST.get("reason", ""))
        return redirect("event", pk=pk)
    try:
        made = service.adopt(
            chosen, found, author=person(request).get_username(),
            reason=reason_of(request), at=timezone.now(),
        )  # fmt: skip
    except CorrectionError as error:
        messages.error(request, str(error))
        keep_typed(request, f"event {pk}", request.POST.get("reason", ""))
    else:
        messages.success(request, f"References since this event: {len(made)}.")
    return redirect("event", pk=pk)


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an event back."""
    found = _find(pk)
    try:
        service.withdraw(
            found, author=person(request).get_username(),
            reason=reason_of(request), at=timezone.now(),
        )  # fmt: skip
    except CorrectionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{found.title}: taken back; it stays in the list.")
    return redirect("event", pk=pk)


@require_POST
def take_back_reference(request: HttpRequest, pk: int, reference: int) -> HttpResponse:
    """Take one reference of an event back."""
    found = _find(pk)
    try:
        service.take_back_references(
            ReferenceValue.objects.filter(event=found, pk=reference),
            author=person(request).get_username(),
            reason=reason_of(request), at=timezone.now(),
        )  # fmt: skip
    except CorrectionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Taken back; the former reference goes on.")
    return redirect("event", pk=pk)
