"""The association block: the frames that belong together, their calibrations, their state."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .control import Hold, HoldScope
from .frames import RawFile
from .instruments import Instrument, RuleSet
from .waivers import Waiver, WaiverKind

if TYPE_CHECKING:
    from .runs import Attempt


class ProcessStatus(models.TextChoices):
    CREATED = "CREATED", "created"
    QUEUED = "QUEUED", "queued"
    BLOCKED = "BLOCKED", "blocked"
    RUNNING = "RUNNING", "running"
    SUCCESSFUL = "SUCCESSFUL", "successful"
    FAILED = "FAILED", "failed"


class Completeness(models.TextChoices):
    COMPLETE = "COMPLETE", "complete"
    INCOMPLETE = "INCOMPLETE", "incomplete"


class FailureKind(models.TextChoices):
    """Why a block failed: decides whether trying again can help."""

    NONE = "", "none"
    INPUT = "input", "an input file"
    MISSING = "missing", "a missing calibration"
    RECIPE = "recipe", "the recipe"
    TIMEOUT = "timeout", "the time limit"
    MEMORY = "memory", "the memory limit"
    ENVIRONMENT = "environment", "the machine"
    PRODUCT = "product", "the check of the products"
    DEPENDENCY = "dependency", "a calibration another block made"


class NextStep(models.TextChoices):
    """What `qcweb.workflow.advance` has to do for a block. REST: nothing."""

    REST = "REST", "at rest"
    PROCESS = "PROCESS", "run the recipe"
    EXTRACT = "EXTRACT", "read and score its QC1 parameters"
    CERTIFY = "CERTIFY", "certify, or ask a person"


class BlockQuerySet(models.QuerySet["AssociationBlock"]):
    def update(self, **fields: Any) -> int:
        """Like any update; a new process status says since when it is so."""
        if "process_status" in fields:
            fields.setdefault("status_at", fields.get("changed_at") or timezone.now())
        return super().update(**fields)

    def of_night(self, instrument: str, night: dt.date) -> Self:
        return self.filter(instrument__name=instrument, night=night)

    def in_cascade_order(self) -> Self:
        return self.order_by("cascade_level", "mjd_obs", "pk")

    def in_order_of_work(self) -> Self:
        return self.order_by("-priority", "cascade_level", "mjd_obs", "pk")

    def due(self, at: dt.datetime, asked_before: dt.datetime) -> Self:
        """Blocks that have a next step whose time has come, and no worker at it; urgent ones first.

        Those that are held wait with their recipe. Those the broker was told of since `asked_before` are left out: a long queue would fill up
        with the same ids again and again.
        """
        return self.exclude(next_step=NextStep.REST).filter(
            Q(next_try_at=None) | Q(next_try_at__lte=at),
            Q(asked_at=None) | Q(asked_at__lt=asked_before),
            ~Q(next_step=NextStep.PROCESS) | ~self._held(),
            lease_until=None,
        )

    @staticmethod
    def _held() -> Q:
        def of(scope: HoldScope) -> models.QuerySet[Hold, int]:
            return Hold.objects.filter(scope=scope).values_list("subject", flat=True)

        return (
            Q(models.Exists(of(HoldScope.POOL)))
            | Q(instrument_id__in=of(HoldScope.INSTRUMENT))
            | Q(pk__in=of(HoldScope.BLOCK))
        )

    def held(self) -> Self:
        return self.filter(self._held())

    def marked_held(self) -> Self:
        """Say of each block whether a hold keeps its recipe from starting: `is_held`."""
        waits = Q(next_step=NextStep.PROCESS) & ~Q(process_status=ProcessStatus.RUNNING)
        return self.annotate(
            is_held=models.Case(
                models.When(waits & self._held(), then=True),
                default=False,
                output_field=models.BooleanField(),
            )
        )

    def runnable(self) -> Self:
        """Blocks a worker may claim for their recipe."""
        return self.filter(
            ~self._held(),
            next_step=NextStep.PROCESS,
            completeness=Completeness.COMPLETE,
            process_status__in=[ProcessStatus.QUEUED, ProcessStatus.FAILED],
        )

    def lost(self, at: dt.datetime) -> Self:
        return self.filter(process_status=ProcessStatus.RUNNING, lease_until__lt=at)

    def for_people(self) -> Self:
        """Blocks that wait for a person: what is waived does not."""
        return self.filter(waits_for_people())

    def usable_producers(self) -> Self:
        """Blocks whose products, made or still to come, another block may use."""
        return self.filter(
            completeness=Completeness.COMPLETE, is_withdrawn=False, is_cancelled=False
        ).exclude(process_status=ProcessStatus.FAILED, next_step=NextStep.REST)


def waived() -> Q:
    """Return the condition of blocks that need nobody, because a waiver says so."""
    missing = Waiver.objects.all().of_outer_block(WaiverKind.MISSING)
    failing = Waiver.objects.all().of_outer_block(WaiverKind.FAILING)
    return (Q(completeness=Completeness.INCOMPLETE) & Q(missing)) | (
        Q(process_status=ProcessStatus.FAILED) & Q(failing)
    )


def waits_for_people() -> Q:
    return Q(needs_person=True) & ~waived()


class AssociationBlock(models.Model):
    """The unit of processing.

    Of its four axes process and completeness are here; score and certification live with those who
    give them.
    """

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="blocks")
    night = models.DateField()
    ab_name = models.CharField(max_length=255, unique=True)
    raw_type = models.CharField(max_length=64)
    setup = models.CharField(max_length=255, blank=True)
    action = models.CharField(max_length=64, help_text="of the rules")
    group_key = models.TextField(help_text="values of the rule's group by, canonical")
    event = models.CharField(max_length=32, default="SINGLE", help_text="name of the grouping rule")
    recipe = models.CharField(max_length=64, blank=True)
    parameters = models.JSONField(default=list, help_text="arguments of the recipe, from the rules")
    # What a person chose instead, by name: {"stack_method": "mean"}; what is not there is as the
    # rules say.
    chosen_parameters = models.JSONField(default=dict)
    min_frames = models.PositiveIntegerField(default=1, help_text="minRet of its rule")
    rule_set = models.ForeignKey(RuleSet, models.PROTECT, related_name="+")
    # What its products will be, and the keywords they inherit: an association can be made before
    # anything has run.
    virtual_products = models.JSONField(default=list)
    mjd_obs = models.FloatField(help_text="start of the first raw frame")
    mjd_mid = models.FloatField(help_text="middle of the exposures, the time associations use")
    cascade_level = models.PositiveSmallIntegerField(default=0)
    completeness = models.CharField(max_length=10, choices=Completeness.choices)
    incomplete_reason = models.CharField(max_length=255, blank=True)
    process_status = models.CharField(
        max_length=10, choices=ProcessStatus.choices, default=ProcessStatus.CREATED
    )
    is_degraded = models.BooleanField(default=False)
    reason = models.TextField(blank=True, help_text="why it failed, or why it is degraded")
    failure_kind = models.CharField(
        max_length=16, choices=FailureKind.choices, blank=True, default=FailureKind.NONE
    )
    blocked_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="blocks_others")
    next_step = models.CharField(max_length=8, choices=NextStep.choices, default=NextStep.REST)
    # Raised by each claim. Whoever writes results says which attempt they are of; a late writer's
    # number no longer matches.
    attempt = models.PositiveIntegerField(default=0)
    # How many tries have failed since somebody last asked for a run.
    n_failures = models.PositiveIntegerField(default=0)
    current_attempt: models.ForeignKey[Attempt | None, Attempt | None] = models.ForeignKey(
        "pipelines.Attempt", models.SET_NULL, null=True, related_name="+"
    )
    lease_until = models.DateTimeField(null=True)
    priority = models.SmallIntegerField(default=0, help_text="above 0: before all others")
    next_try_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True, help_text="when the broker was last told of it")
    needs_person = models.BooleanField(
        default=False, help_text="it has come to an end, and nobody has decided on it"
    )
    is_withdrawn = models.BooleanField(
        default=False, help_text="rejected: its products leave the association pool"
    )
    is_badqual = models.BooleanField(
        default=False, help_text="rejected as BADQUAL: the calibration plan asks for another one"
    )
    is_cancelled = models.BooleanField(
        default=False, help_text="taken out of the queue by a person, without a former result"
    )
    is_certified = models.BooleanField(
        default=False, help_text="its present products are certified, by the system or a person"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    status_at = models.DateTimeField(null=True, help_text="since when it has its process status")

    objects = BlockQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["instrument", "night"], name="block_of_night"),
            models.Index(fields=["night"], name="block_by_night"),
            models.Index(
                fields=["next_step", "next_try_at"],
                name="block_not_at_rest",
                condition=~Q(next_step="REST"),
            ),
            models.Index(
                fields=["night"], name="block_waits_for_person", condition=Q(needs_person=True)
            ),
            models.Index(fields=["priority"], name="block_urgent", condition=Q(priority__gt=0)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "night", "action", "raw_type", "group_key"],
                name="block_of_a_group_once",
            ),
            models.CheckConstraint(
                condition=Q(completeness="COMPLETE") | Q(next_step="REST"),
                name="block_incomplete_is_never_queued",
            ),
            models.CheckConstraint(
                condition=Q(completeness="COMPLETE") | ~Q(incomplete_reason=""),
                name="block_incomplete_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(process_status="RUNNING") | Q(lease_until__isnull=False),
                name="block_running_has_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(is_badqual=False) | Q(is_withdrawn=True),
                name="block_badqual_is_withdrawn",
            ),
            models.CheckConstraint(
                condition=Q(is_degraded=False) | Q(process_status="SUCCESSFUL"),
                name="block_degraded_is_successful",
            ),
        ]

    def __str__(self) -> str:
        return self.ab_name

    def claim(self, at: dt.datetime, lease_until: dt.datetime) -> bool:
        """Take the block for one run; False when another worker was faster."""
        taken = (
            AssociationBlock.objects.runnable()
            .filter(pk=self.pk, attempt=self.attempt)
            .update(
                process_status=ProcessStatus.RUNNING,
                attempt=F("attempt") + 1,
                lease_until=lease_until,
                next_try_at=None,
                needs_person=False,
                is_certified=False,
                changed_at=at,
            )
        )
        return taken == 1


class BlockFrame(models.Model):
    """A raw frame in a block. A frame may be in several blocks."""

    block = models.ForeignKey(AssociationBlock, models.CASCADE, related_name="block_frames")
    raw_file = models.ForeignKey(RawFile, models.PROTECT, related_name="block_frames")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["block", "raw_file"], name="frame_once_in_a_block")
        ]

    def __str__(self) -> str:
        return f"{self.block_id}: {self.raw_file_id}"


class CalibrationLink(models.Model):
    """A calibration that a block uses: another block's product, made or still virtual, or a file."""

    block = models.ForeignKey(AssociationBlock, models.CASCADE, related_name="calibrations")
    label = models.CharField(max_length=64, help_text="as the rule names it")
    pro_catg = models.CharField(max_length=64)
    producer = models.ForeignKey(
        AssociationBlock, models.PROTECT, null=True, related_name="used_by"
    )
    file = models.ForeignKey(
        RawFile, models.PROTECT, null=True, related_name="used_by", help_text="a file on disk"
    )
    nth = models.PositiveSmallIntegerField(
        default=0, help_text="which of several products of that category, from 0"
    )
    delta_days = models.FloatField(
        null=True, help_text="calibration minus block; empty: it has no date"
    )
    level = models.PositiveSmallIntegerField(
        default=0, help_text="0 within the calibration plan, 1 beyond it"
    )
    is_required = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["block", "label", "producer", "pro_catg", "nth"],
                name="calibration_linked_once",
                condition=Q(file=None),
            ),
            models.UniqueConstraint(
                fields=["block", "label", "file"],
                name="calibration_file_linked_once",
                condition=Q(producer=None),
            ),
            models.CheckConstraint(
                condition=Q(producer__isnull=False, file__isnull=True)
                | Q(producer__isnull=True, file__isnull=False),
                name="calibration_is_of_a_block_or_a_file",
            ),
            models.CheckConstraint(
                condition=Q(producer=None) | ~Q(block=F("producer")),
                name="calibration_of_another_block",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.block_id} uses {self.pro_catg} of {self.producer_id or self.file_id}"
