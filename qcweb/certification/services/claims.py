"""Who works on which block: said by a person, ended by a decision, by hand, or by itself."""

import datetime as dt
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from pipelines.models import AssociationBlock
from qcweb.certification.models import Claim

from .record import CertificationError


class ClaimedError(CertificationError):
    """Somebody else works on a block."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(
            f"{claim.claimed_by.get_username()} works on it, until {claim.until:%H:%M} UT at most."
        )


def claim(block: AssociationBlock, by: User, at: dt.datetime) -> Claim:
    """Say that somebody works on a block; said again, it lasts longer.

    Raises
    ------
    ClaimedError
        Somebody else does.
    """
    until = at + dt.timedelta(minutes=settings.HCM_CLAIM_MINUTES)
    try:
        with transaction.atomic():
            Claim.objects.filter(Q(claimed_by=by) | Q(until__lte=at), block=block).delete()
            return Claim.objects.create(block=block, claimed_by=by, claimed_at=at, until=until)
    except IntegrityError as error:
        standing = Claim.objects.select_related("claimed_by").filter(block=block).first()
        if standing is None:
            raise
        raise ClaimedError(standing) from error


def release(blocks: Iterable[AssociationBlock], by: User) -> int:
    """Take one's own claims back; return how many there were."""
    n, _ = Claim.objects.filter(block__in=list(blocks), claimed_by=by).delete()
    return n


def claims_on(blocks: Iterable[AssociationBlock], at: dt.datetime) -> dict[int, Claim]:
    """Return who works on which of some blocks, by the block's key: one query."""
    found = Claim.objects.filter(block__in=list(blocks), until__gt=at).select_related("claimed_by")
    return {one.block_id: one for one in found}
