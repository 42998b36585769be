"""A database of the version before is taken over with all that is in it."""

import datetime as dt

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

AT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


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
