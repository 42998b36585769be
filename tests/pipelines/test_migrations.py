"""A database of the version before is taken over with all that is in it."""

import datetime as dt

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

AT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _seals(transactional_db):
    """Open the seals again that were made anew: the test runner empties the tables."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("UPDATE certification_seal SET is_open = 1")
        cursor.execute("UPDATE audit_seal SET is_open = 1")


@pytest.mark.django_db(transaction=True)
def test_absolute_paths_go_below_a_root_and_old_rules_are_superseded():
    executor = MigrationExecutor(connection)
    executor.migrate(
        [("certification", "0002_append_only"), ("pipelines", "0003_frames_to_organise")]
    )
    old = executor.loader.project_state(
        [("certification", "0002_append_only"), ("pipelines", "0003_frames_to_organise")]
    ).apps
    try:
        camera = old.get_model("pipelines", "Instrument").objects.create(
            name="CAM", title="Camera", runner="native", pipeline="hcm", digest="-", loaded_at=AT
        )
        for version in (1, 2):
            old.get_model("pipelines", "RuleSet").objects.create(
                instrument=camera, version=version, text="", digest=str(version), recorded_at=AT
            )
        old.get_model("pipelines", "RawFile").objects.create(
            instrument=camera, name="a.fits", path="/data/raw/a.fits", size=2880,
            header_digest="d", night=AT.date(), mjd_obs=61101.5, recorded_at=AT,
        )  # fmt: skip
        old.get_model("pipelines", "RawFile").objects.create(
            instrument=camera, name="table.fits", path="/data/table.fits", size=5760,
            header_digest="e", night=AT.date(), mjd_obs=51000.5, recorded_at=AT,
            keywords={"PRO.CATG": "LINE_TABLE"},
        )  # fmt: skip
        rules = old.get_model("pipelines", "RuleSet").objects.get(version=2)
        for name, decision in (("certified", "AUTO"), ("taken back", "REOPENED"), ("open", "")):
            _block(old, camera, rules, name, decision)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    from pipelines.models import AssociationBlock, RawFile, RuleSet

    frame, table = RawFile.objects.select_related("root").order_by("pk")
    assert table.pro_catg == "LINE_TABLE"
    certified = AssociationBlock.objects.filter(is_certified=True)
    assert [block.ab_name for block in certified] == ["certified"]
    assert (frame.root.name, str(frame.full_path)) == ("disk", "/data/raw/a.fits")
    current = RuleSet.objects.filter(superseded_at=None).values_list("version", flat=True)
    assert list(current) == [2]


def _block(old, camera, rules, name, decision):
    """Make a block of before that has run, with its last decision."""
    block = old.get_model("pipelines", "AssociationBlock").objects.create(
        instrument=camera, night=AT.date(), ab_name=name, raw_type="BIAS", action="A",
        group_key=name, rule_set=rules, mjd_obs=61101.5, mjd_mid=61101.5, completeness="COMPLETE",
        process_status="SUCCESSFUL", created_at=AT, changed_at=AT,
    )  # fmt: skip
    attempt = old.get_model("pipelines", "Attempt").objects.create(
        block=block, number=1, outcome="SUCCESSFUL", recipe="r", worker="w", started_at=AT,
        finished_at=AT,
    )  # fmt: skip
    block.current_attempt = attempt
    block.save()
    user, _ = old.get_model("auth", "User").objects.get_or_create(username="quinn")
    for number, one in enumerate(filter(None, ["AUTO" if decision else "", decision]), 1):
        if number == 2 and one == "AUTO":
            break
        old.get_model("certification", "Certification").objects.create(
            block=block, attempt=attempt, number=number, decision=one, decided_at=AT, n_nok=0,
            n_scored=1, decided_by=None if one == "AUTO" else user,
        )  # fmt: skip


# Where the migrations of each version end, newest last. Nothing has been released before 0.1.0:
# until then its database is the one of before work came under control.
RELEASED = {
    "0.1.0": [
        ("certification", "0003_certified_blocks"),
        ("pipelines", "0007_frames_and_folders"),
        ("trending", "0002_score_numbers_are_finite"),
    ],
}
# What failures were called then, and are now.
FAILURES = {
    "input": "input", "missing": "missing", "recipe": "recipe", "timeout": "timeout",
    "product": "product", "resource": "environment", "setup": "environment", "lost": "environment",
}  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", [list(RELEASED)[-1]])
def test_the_database_of_the_last_version_is_taken_over(version):
    executor = MigrationExecutor(connection)
    executor.migrate(RELEASED[version])
    old = executor.loader.project_state(RELEASED[version]).apps
    try:
        _fill(old)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    _check()


def _fill(old):
    """Make a small site of that version: blocks in every state, QC1 values, scores, decisions."""
    camera = old.get_model("pipelines", "Instrument").objects.create(
        name="CAM", title="Camera", runner="native", pipeline="hcm", digest="-", loaded_at=AT
    )
    rules = old.get_model("pipelines", "RuleSet").objects.create(
        instrument=camera, version=1, text="", digest="1", recorded_at=AT
    )
    _block(old, camera, rules, "certified", "AUTO")
    _block(old, camera, rules, "reopened", "REOPENED")
    for kind in FAILURES:
        _failed(old, camera, rules, kind)
    _measured(old, camera, old.get_model("pipelines", "Attempt").objects.get(
        block__ab_name="certified"))  # fmt: skip


def _failed(old, camera, rules, kind):
    block = old.get_model("pipelines", "AssociationBlock").objects.create(
        instrument=camera, night=AT.date(), ab_name=f"failed: {kind}", raw_type="BIAS", action="A",
        group_key=kind, rule_set=rules, mjd_obs=61101.5, mjd_mid=61101.5, completeness="COMPLETE",
        process_status="FAILED", failure_kind=kind, created_at=AT, changed_at=AT,
    )  # fmt: skip
    old.get_model("pipelines", "Attempt").objects.create(
        block=block, number=1, outcome="FAILED", failure_kind=kind, recipe="r", worker="w",
        reason=kind, started_at=AT, finished_at=AT,
    )  # fmt: skip


def _measured(old, camera, attempt):
    table = old.get_model("trending", "QC1Table").objects.create(
        instrument=camera, name="cam_bias", title="Bias"
    )
    parameter = old.get_model("trending", "QC1Parameter").objects.create(
        table=table, name="level", type="float", description="-", order=0
    )
    setup = old.get_model("trending", "Setup").objects.create(table=table, text="SLOW")
    series = old.get_model("trending", "Series").objects.create(parameter=parameter, setup=setup)
    row = old.get_model("trending", "QC1Row").objects.create(
        table=table, setup=setup, mjd_obs=61101.5, pro_catg="MASTER_BIAS", night=AT.date(),
        origin="pipeline", attempt=attempt, content_digest="-", recorded_at=AT,
    )  # fmt: skip
    old.get_model("trending", "QC1Value").objects.create(
        series=series, row=row, mjd_obs=61101.5, value=1001.5
    )
    old.get_model("trending", "Score").objects.create(
        series=series, row=row, result=0, value=1001.5, lower=990, upper=1012, recorded_at=AT
    )


def _check():
    from pipelines.models import AssociationBlock, Attempt, FailureKind
    from qcweb.certification.models import Certification
    from trending.models import QC1Value, Score

    for model in (AssociationBlock, Attempt):
        kinds = dict(model.objects.exclude(failure_kind="").values_list("reason", "failure_kind"))
        assert set(kinds.values()) <= set(FailureKind.values)
    assert {
        one.ab_name.removeprefix("failed: "): one.failure_kind
        for one in AssociationBlock.objects.filter(process_status="FAILED")
    } == FAILURES
    assert {
        one.reason: one.failure_kind for one in Attempt.objects.filter(outcome="FAILED")
    } == FAILURES
    assert set(AssociationBlock.objects.values_list("status_at", flat=True)) == {AT}
    value, score = QC1Value.objects.get(), Score.objects.get()
    assert (value.value, score.limits, score.row.attempt.block.ab_name) == (
        1001.5, (990, 1012), "certified",
    )  # fmt: skip
    decisions = Certification.objects.order_by("pk").values_list("block__ab_name", "decision")
    assert list(decisions) == [
        ("certified", "AUTO"), ("reopened", "AUTO"), ("reopened", "REOPENED"),
    ]  # fmt: skip
