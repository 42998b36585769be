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
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    from pipelines.models import Instrument, RawFile, RuleSet

    frame = RawFile.objects.select_related("root").get()
    assert (frame.root.name, str(frame.full_path)) == ("disk", "/data/raw/a.fits")
    current = RuleSet.objects.filter(superseded_at=None).values_list("version", flat=True)
    assert list(current) == [2]
    Instrument.objects.all()
    RawFile.objects.all().delete()
    RuleSet.objects.all().delete()
