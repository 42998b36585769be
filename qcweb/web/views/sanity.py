"""Do the rules make sense? What is odd about them, instrument by instrument."""

from dataclasses import dataclass, field

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.models import Instrument
from qcweb.problems import Problem, ProblemError
from trending.domain.sanity import FindingKind
from trending.services.sanity import Odd, check_instrument

WORDS = {
    FindingKind.MEDIAN_OUTSIDE: (
        "The usual value lies outside the limits",
        "The limits are not for this instrument as it is: move them, or declare what has happened.",
    ),
    FindingKind.ALWAYS_FIRES: (
        "Fires most of the time",
        "An alarm that is always on is looked at by nobody.",
    ),
    FindingKind.NEVER_JUDGED: (
        "Never judges",
        "All of its values are grey: too few earlier values, or the rule asks for none.",
    ),
    FindingKind.OVER_DEFINITION_CHANGE: (
        "Statistics over a change of definition",
        "Let the event begin an epoch, so that limits are not mixed of two meanings.",
    ),
    FindingKind.MIXED_MODES: (
        "Two levels in one series",
        "Read-out modes are mixed: a filter column is missing.",
    ),
    FindingKind.PLOT_WITHOUT_RULE: ("Drawn, and not judged", "Nobody is told when it changes."),
    FindingKind.RULE_WITHOUT_DATA: (
        "A rule without values",
        "Its set-up or detector is not measured, or is written otherwise.",
    ),
    FindingKind.NEVER_FIRED: (
        "Never fired",
        "Fine for a specification; limits that only statistics found may be too wide.",
    ),
}


@dataclass
class Group:
    """Findings of one kind."""

    kind: FindingKind
    title: str
    advice: str
    odd: list[Odd] = field(default_factory=list)


def sanity(request: HttpRequest) -> HttpResponse:
    """List what is odd about the rules of one instrument."""
    instruments = list(Instrument.objects.filter(qc1_tables__isnull=False).distinct())
    name = request.GET.get("instrument", instruments[0].name if instruments else "")
    chosen = next((one for one in instruments if one.name == name), None)
    if chosen is None and name:
        known = ", ".join(one.name for one in instruments)
        raise ProblemError(
            Problem(404, "Unknown instrument", f"There is no instrument {name!r}.",
                    where="instrument", hint=f"Known are {known}.")
        )  # fmt: skip
    groups = {kind: Group(kind, *words) for kind, words in WORDS.items()}
    for odd in check_instrument(chosen) if chosen else ():
        groups[odd.finding.kind].odd.append(odd)
    return render(
        request,
        "sanity.html",
        {
            "instruments": instruments,
            "chosen": chosen,
            "groups": [one for one in groups.values() if one.odd],
            "n": sum(len(one.odd) for one in groups.values()),
        },
    )
