"""What every page knows."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument
from qcweb.access import may_read, rights_in
from trending.models import QC1Import


def house(request: HttpRequest) -> dict[str, object]:
    # An answer to an unreadable request is made before anybody has asked who sent it.
    user = getattr(request, "user", AnonymousUser())
    is_reader, rights = may_read(user), rights_in(request)
    return {
        "version": settings.VERSION,
        "is_simulated_here": is_reader and _has_simulated_values(),
        "now": timezone.now(),
        # Both know instruments: {% if ab.instrument in may_certify %}. True for one at least.
        "may_certify": rights.science,
        "may_ask": rights.staff,
        "is_admin": rights.is_admin,
        "n_to_review": _count_open() if is_reader else 0,
        "section": request.resolver_match.view_name if request.resolver_match else "",
    }


def _count_open() -> int:
    return AssociationBlock.objects.for_people().count()


# How long a page may go without the word (s): asked for each page, it would be asked in vain.
_SIMULATED_S = 30


def _has_simulated_values() -> bool:
    """Return whether some values here are simulated: every page that shows any says so."""
    return bool(cache.get_or_set("simulated", _ask_for_simulated_values, _SIMULATED_S))


def _ask_for_simulated_values() -> bool:
    return (
        Instrument.objects.filter(is_simulated=True).exists()
        or QC1Import.objects.filter(is_simulated=True).exists()
    )
