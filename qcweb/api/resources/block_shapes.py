"""What the API says of an association block."""

from typing import Any

from rest_framework import serializers

from pipelines.models import Attempt, Completeness, FailureKind, NextStep, Outcome, ProcessStatus
from qcweb.api.fields import UT, Address, Instant, Number
from qcweb.certification.models import Decision
from trending.models import BlockScore

from .certifications import CertificationSerializer


class BlockScoreSerializer(serializers.Serializer[Any]):
    """The score of a block's present result: n NOK of N, or grey."""

    result = serializers.SerializerMethodField(help_text="0 OK, 1 NOK, null: nothing is scored")
    n_nok = serializers.IntegerField(help_text="values outside their limits")
    n_scored = serializers.IntegerField(help_text="values that could be scored")
    n_grey = serializers.IntegerField(help_text="values that could not")
    grey_reason = serializers.CharField(help_text="why nothing is scored, or empty")
    summary = serializers.CharField(help_text="the values outside, in words")

    def get_result(self, score: BlockScore) -> int | None:
        return min(score.n_nok, 1) if score.n_scored else None


class StandingSerializer(serializers.Serializer[Any]):
    """The decision that stands for a block's present result."""

    number = serializers.IntegerField(help_text="its number in the history of the block")
    decision = serializers.ChoiceField(Decision.choices, help_text="AUTO, ACCEPTED or REJECTED")
    comment = serializers.CharField(help_text="what was seen, in words")
    decided_by = serializers.CharField(
        source="decided_by.username", allow_null=True, default=None, help_text="null: the system"
    )
    decided_at = Instant(help_text="UT")


class BlockSerializer(serializers.Serializer[Any]):
    ab_name = serializers.CharField(source="block.ab_name", help_text="name of the block")
    instrument = serializers.CharField(source="block.instrument.name", help_text="its instrument")
    night = serializers.DateField(source="block.night", help_text="date of UT − 21 h")
    raw_type = serializers.CharField(source="block.raw_type", help_text="data type by the rules")
    setup = serializers.CharField(source="block.setup", help_text="its set-up: SLOW_1x1")
    recipe = serializers.CharField(source="block.recipe", help_text="its recipe, or empty")
    event = serializers.CharField(source="block.event", help_text="name of the grouping rule")
    mjd_obs = Number(source="block.mjd_obs", help_text="start of its first frame, MJD in days, UT")
    date_obs = UT(source="block.mjd_obs", help_text="the same as date and time, UT")
    mjd_mid = Number(source="block.mjd_mid", help_text="middle of its exposures, MJD in days, UT")
    cascade_level = serializers.IntegerField(
        source="block.cascade_level", help_text="0 needs no other block, 1 those of 0, and so on"
    )
    completeness = serializers.ChoiceField(
        Completeness.choices, source="block.completeness", help_text="whether all inputs are there"
    )
    incomplete_reason = serializers.CharField(
        source="block.incomplete_reason", help_text="what lacks: too_small 2 of 3"
    )
    process_status = serializers.ChoiceField(
        ProcessStatus.choices, source="block.process_status", help_text="how far it is"
    )
    is_degraded = serializers.BooleanField(
        source="block.is_degraded", help_text="made, but not as planned: see the reason"
    )
    reason = serializers.CharField(
        source="block.reason", help_text="why it failed, or is degraded, or waits"
    )
    failure_kind = serializers.ChoiceField(
        FailureKind.choices, source="block.failure_kind", help_text="why it failed, or empty"
    )
    blocked_by = serializers.CharField(
        source="block.blocked_by.ab_name", allow_null=True, default=None,
        help_text="the block it waits for",
    )  # fmt: skip
    next_step = serializers.ChoiceField(
        NextStep.choices, source="block.next_step", help_text="what is to be done with it"
    )
    attempt = serializers.IntegerField(
        source="block.attempt", help_text="number of its latest run, 0 without one"
    )
    current_attempt = serializers.IntegerField(
        source="block.current_attempt.number", allow_null=True, default=None,
        help_text="the run whose products and values count",
    )  # fmt: skip
    pipeline_version = serializers.CharField(
        source="block.current_attempt.pipeline_version", allow_null=True, default=None,
        help_text="of that run",
    )  # fmt: skip
    duration_s = Number(
        source="block.current_attempt.duration_s", default=None,
        help_text="time its recipe took in that run, in s",
    )  # fmt: skip
    score = BlockScoreSerializer(allow_null=True, help_text="null: its present result has none")
    certification = StandingSerializer(allow_null=True, help_text="null: open")
    needs_person = serializers.BooleanField(
        help_text="it has come to an end, and waits for a decision"
    )
    waived = serializers.CharField(
        source="waiver.reason", allow_null=True, default=None,
        help_text="why it is incomplete or failed and need not be looked at; null: nobody waived it",
    )  # fmt: skip
    is_certified = serializers.BooleanField(
        source="block.is_certified", help_text="its present products are certified"
    )
    is_withdrawn = serializers.BooleanField(
        source="block.is_withdrawn", help_text="rejected: its products are used for nothing"
    )
    created_at = Instant(source="block.created_at", help_text="when it was made, UT")
    changed_at = Instant(source="block.changed_at", help_text="when it changed last, UT")
    address = Address("api:block", "block__ab_name", help_text="address of this block here")
    page = Address("block", "block__ab_name", help_text="address of its page")


class BlockFrameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="raw_file.pk", help_text="number of the frame")
    name = serializers.CharField(source="raw_file.name", help_text="its name")
    do_catg = serializers.CharField(source="raw_file.do_catg", help_text="its tag for the recipe")
    mjd_obs = Number(source="raw_file.mjd_obs", help_text="its start, MJD in days, UT")
    exptime_s = Number(source="raw_file.exptime_s", help_text="its exposure, in s")
    is_hidden = serializers.BooleanField(source="raw_file.is_hidden", help_text="used for nothing")
    address = Address("api:frame", "raw_file__pk", help_text="address of the frame here")


class CalibrationSerializer(serializers.Serializer[Any]):
    """A calibration that a block uses: made by another block, or a file on disk."""

    label = serializers.CharField(help_text="as the rule names it")  # type: ignore[assignment]
    pro_catg = serializers.CharField(help_text="category of the product: MASTER_BIAS")
    producer = serializers.CharField(
        source="producer.ab_name",
        allow_null=True,
        default=None,
        help_text="the block that makes it",
    )
    frame = serializers.IntegerField(
        source="file.pk", allow_null=True, default=None, help_text="number of the file on disk"
    )
    distance_days = Number(
        source="delta_days", help_text="calibration minus block, in days; null: it has no date"
    )
    is_beyond_plan = serializers.BooleanField(
        source="level", help_text="farther in time than the calibration plan asks for"
    )
    is_required = serializers.BooleanField(help_text="the block cannot do without")
    address = serializers.SerializerMethodField(help_text="address of the block or file here")

    def get_address(self, link: Any) -> str | None:
        of_block = Address("api:block", "producer__ab_name").to_representation(link)
        return of_block or Address("api:frame", "file__pk").to_representation(link)


class AttemptSerializer(serializers.Serializer[Any]):
    """One run of the block's recipe."""

    number = serializers.IntegerField(help_text="from 1")
    outcome = serializers.ChoiceField(Outcome.choices, help_text="what came of it")
    failure_kind = serializers.ChoiceField(FailureKind.choices, help_text="why it failed, or empty")
    reason = serializers.CharField(help_text="the same in words")
    recipe = serializers.CharField(help_text="what was run")
    pipeline_version = serializers.CharField(help_text="of which version")
    parameters = serializers.ListField(
        child=serializers.CharField(), help_text="arguments the recipe was given"
    )
    return_code = serializers.IntegerField(allow_null=True, help_text="exit code of the recipe")
    started_at = Instant(help_text="UT")
    finished_at = Instant(allow_null=True, help_text="UT")
    duration_s = Number(help_text="time the recipe took, in s")
    qc_duration_s = Number(help_text="time of reading and scoring its values, in s")
    peak_mb = Number(help_text="memory of the recipe at its highest, in MB")
    took_over = serializers.SerializerMethodField(
        help_text="nothing had changed: an earlier run's products were taken over"
    )
    log = Address("block-log", "block__ab_name", "number", help_text="address of its log's page")

    def get_took_over(self, attempt: Attempt) -> bool:
        return attempt.reused_id is not None


class BlockProductSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="number of the product")
    pro_catg = serializers.CharField(help_text="its category: MASTER_BIAS")
    name = serializers.CharField(help_text="the recipe's name for it")
    size = serializers.IntegerField(help_text="in bytes")
    data_md5 = serializers.CharField(help_text="sum of its data units, or empty")
    address = Address("api:product", "pk", help_text="address of the product here")
    download = Address("product", "pk", help_text="address of the file")


class OneBlockSerializer(BlockSerializer):
    action = serializers.CharField(source="block.action", help_text="of the rules")
    rules_version = serializers.IntegerField(
        source="block.rule_set.version", help_text="version of the rules that made it"
    )
    min_frames = serializers.IntegerField(
        source="block.min_frames", help_text="fewer frames make it incomplete"
    )
    parameters = serializers.JSONField(
        source="block.parameters", help_text="arguments of the recipe, from the rules"
    )
    chosen_parameters = serializers.JSONField(
        source="block.chosen_parameters", help_text="what a person chose instead, by name"
    )
    frames = BlockFrameSerializer(many=True, help_text="its raw frames in order of time")
    calibrations = CalibrationSerializer(many=True, help_text="what it is calibrated with")
    used_by = serializers.ListField(
        child=serializers.CharField(), help_text="names of the blocks that use its products"
    )
    attempts = AttemptSerializer(many=True, help_text="its runs, the latest first")
    products = BlockProductSerializer(many=True, help_text="of the run that counts")
    scores = Address(
        "api:scores", "block__ab_name", query="block={}", help_text="address of its scores"
    )
    certifications = Address(
        "api:block-certifications", "block__ab_name",
        help_text="address of its decisions with their scores; a new one is posted there",
    )  # fmt: skip
    history = CertificationSerializer(many=True, help_text="decisions, the newest first")
