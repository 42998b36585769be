"""Decisions on blocks: an append-only history. A block without an entry is open."""

from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery

from pipelines.models import AssociationBlock, ProcessStatus


class Decision(models.TextChoices):
    AUTO = "AUTO", "automatic"
    ACCEPTED = "ACCEPTED", "accepted"
    REJECTED = "REJECTED", "rejected"
    REOPENED = "REOPENED", "taken back"


class AppendOnlyError(Exception):
    """A certification is added, never edited or deleted."""

    def __init__(self) -> None:
        super().__init__("A certification is history: add a new decision instead.")


class CertificationQuerySet(models.QuerySet["Certification"]):
    def standing(self) -> Self:
        """Acts that are the last of their block and hold: the question of `holds`, to all at once."""
        last = Certification.objects.filter(block=OuterRef("block")).order_by("-number")
        is_of_result = Q(attempt=F("block__current_attempt")) | Q(
            attempt=None, block__current_attempt=None
        )
        is_successful = Q(block__process_status=ProcessStatus.SUCCESSFUL)
        return self.filter(
            is_of_result,
            is_successful | Q(decision=Decision.REJECTED),
            ~Q(decision=Decision.REOPENED),
            number=Subquery(last.values("number")[:1]),
        )

    def update(self, **_kwargs: Any) -> NoReturn:
        raise AppendOnlyError

    def delete(self) -> NoReturn:
        raise AppendOnlyError


class Certification(models.Model):
    """One act: who decided what on which run of a block, when, why, and with which scores."""

    block = models.ForeignKey(
        "pipelines.AssociationBlock", models.PROTECT, related_name="certifications"
    )
    attempt = models.ForeignKey(
        "pipelines.Attempt", models.PROTECT, null=True, related_name="certifications"
    )
    # The place of the act in its block's history. Two people who decide at once write the same
    # number, and the database takes one.
    number = models.PositiveIntegerField()
    decision = models.CharField(max_length=8, choices=Decision.choices)
    # A word of the instrument's vocabulary; the comment says it at length.
    reason = models.CharField(max_length=64, blank=True)
    comment = models.TextField(blank=True)
    is_hiding = models.BooleanField(
        default=False, help_text="its raw frames were hidden with the rejection"
    )
    is_badqual = models.BooleanField(
        default=False, help_text="the calibration plan counts it no more: it is to be retaken"
    )
    # Acts that were one for the person who did it, and are taken back as one.
    bulk = models.CharField(max_length=32, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="certifications"
    )
    decided_at = models.DateTimeField()
    n_nok = models.PositiveIntegerField(null=True, help_text="of the score at that time")
    n_scored = models.PositiveIntegerField(null=True)
    scores = models.JSONField(default=list, help_text="values and limits at that time")

    objects = CertificationQuerySet.as_manager()

    class Meta:
        ordering = ["block", "number"]
        indexes = [
            models.Index(fields=["bulk"], name="certification_of_bulk", condition=~Q(bulk="")),
            models.Index(fields=["decided_at"], name="certification_by_time"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["block", "number"], name="certification_number_once"),
            models.CheckConstraint(
                # The system certifies, and opens again what it had certified by a former score.
                condition=Q(decision="AUTO", decided_by=None)
                | Q(decision="REOPENED")
                | (~Q(decision="AUTO") & Q(decided_by__isnull=False)),
                name="certification_by_a_person_unless_automatic",
            ),
            # Red, unscored and rejected blocks never pass by themselves.
            models.CheckConstraint(
                condition=~Q(decision="AUTO")
                | Q(n_nok__isnull=False, n_scored__isnull=False, n_nok=0, n_scored__gt=0),
                name="certification_automatic_only_when_green",
            ),
            models.CheckConstraint(
                condition=~Q(decision="REJECTED") | ~Q(comment=""),
                name="certification_rejected_says_why",
            ),
            models.CheckConstraint(
                condition=Q(decision="REJECTED") | Q(is_hiding=False, is_badqual=False),
                name="certification_only_a_rejection_hides",
            ),
            models.CheckConstraint(
                condition=Q(n_nok=None) | Q(n_nok__lte=F("n_scored")),
                name="certification_nok_within_scored",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.block_id}: {self.decision}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError

    def holds(self, block: AssociationBlock) -> bool:
        """Whether the act stands for the block's present result; a later one is not looked for.

        A later run is a new result and needs a decision of its own; without a successful run there
        is nothing that could be certified, only rejected.
        """
        if self.decision == Decision.REOPENED or self.attempt_id != block.current_attempt_id:
            return False
        is_successful = block.process_status == ProcessStatus.SUCCESSFUL
        return is_successful or self.decision == Decision.REJECTED


class Claim(models.Model):
    """Somebody works on a block; it ends by itself, so that nobody's absence holds a block up."""

    block = models.OneToOneField(
        "pipelines.AssociationBlock", models.CASCADE, related_name="+", primary_key=True
    )
    claimed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="claims")
    claimed_at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gt=F("claimed_at")), name="claim_ends_after_it_begins"
            )
        ]

    def __str__(self) -> str:
        return f"{self.block_id}: {self.claimed_by_id}"
