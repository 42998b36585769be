"""What every page knows."""

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from pipelines.models import AssociationBlock
from qcweb.access import may_certify


def house(request: HttpRequest) -> dict[str, object]:
    return {
        "version": settings.VERSION,
        "is_demo": settings.HCM_DEMO,
        "now": timezone.now(),
        "may_certify": may_certify(request.user) if hasattr(request, "user") else False,
        "n_to_review": AssociationBlock.objects.filter(needs_person=True).count(),
        "section": request.resolver_match.url_name if request.resolver_match else "",
    }
