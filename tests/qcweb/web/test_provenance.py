"""Where values come from: the graph, its page and the API's answer."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    BlockFrame,
    CalibrationLink,
    Outcome,
    Product,
    RawFile,
)
from pipelines.services.reprocess import run_again
from qcweb import provenance
from qcweb.provenance import provenance_of, users_of
from qcweb.provenance_nodes import Kind
from tests.conftest import run_to_rest
from tests.qcweb.api.problems import assert_problem
from trending.models import QC1Value


def current(block):
    return AssociationBlock.objects.get(pk=block.pk).current_attempt


def edges_of(found):
    kinds = {node.id: node.kind for node in found.nodes}
    return {(kinds[edge.start], edge.role, kinds[edge.end]) for edge in found.edges}


def copy_of(block, name, given=()):
    """Copy a block with a run that was given products of others, and one product of its own."""
    run, link = current(block), block.block_frames.first()
    copy = AssociationBlock.objects.get(pk=block.pk)
    copy.pk, copy.ab_name, copy.group_key, copy.current_attempt = None, name, name, None
    copy.save()
    made = Attempt.objects.create(
        block=copy, number=1, recipe=run.recipe, worker="host:1", outcome=Outcome.SUCCESSFUL,
        inputs=[
            {"label": "MASTER", "product": one.pk, "producer": "x", "file": None} for one in given
        ],
        started_at=run.started_at, finished_at=run.finished_at,
    )  # fmt: skip
    AssociationBlock.objects.filter(pk=copy.pk).update(current_attempt=made)
    BlockFrame.objects.create(block=copy, raw_file=link.raw_file)
    product = Product.objects.create(
        attempt=made, pro_catg="MASTER", name=f"{name}.fits", path="products/x", size=1,
        recorded_at=timezone.now(),
    )  # fmt: skip
    return made, product


def test_a_dark_comes_from_its_frames_and_from_a_bias_that_comes_from_its_own(night):
    found = provenance_of(current(night["dark"]))
    assert edges_of(found) == {
        (Kind.VALUE, "measured in", Kind.PRODUCT),
        (Kind.PRODUCT, "made by", Kind.RUN),
        (Kind.RUN, "raw", Kind.FRAME),
        (Kind.RUN, "MASTER_BIAS", Kind.PRODUCT),
    }
    dark, bias = found.of_kind(Kind.RUN)
    assert (dark.block, dark.level) == (night["dark"].ab_name, 0)
    assert (bias.block, bias.level) == (night["green"].ab_name, 1)
    frames = {
        *night["dark"].block_frames.values_list("raw_file", flat=True),
        *night["green"].block_frames.values_list("raw_file", flat=True),
    }
    assert {node.id for node in found.of_kind(Kind.FRAME)} == {f"frame:{pk}" for pk in frames}
    values = QC1Value.objects.filter(row__attempt__block=night["dark"])
    assert len(found.of_kind(Kind.VALUE)) == values.count() > 0
    assert not found.is_cut


def test_an_old_run_keeps_the_calibration_it_was_made_with(night):
    old = night["green"].current_attempt.products.get()
    run_again([night["green"]], timezone.now(), None, chosen={"outlier-kappa": 20.0})
    run_to_rest()
    assert current(night["green"]).number == 2
    found = provenance_of(current(night["dark"]))
    assert f"product:{old.pk}" in {node.id for node in found.nodes}
    (_, bias) = found.of_kind(Kind.RUN)
    assert (bias.attempt, bias.state) == (1, "not the current run")


def test_a_run_that_took_products_over_leads_to_the_one_that_made_them(night, settings):
    # Other tests may have taken the products of the first run from the disk.
    run_again([night["green"]], timezone.now(), None, is_anew=True)
    run_to_rest()
    made = current(night["green"])
    settings.HCM_LAZY = True
    run_again([night["green"]], timezone.now(), None)
    run_to_rest()
    again = current(night["green"])
    assert again.reused_id == made.pk
    found = provenance_of(again)
    roles = [(one.start, one.end) for one in found.edges if one.role == "taken over from"]
    assert roles == [(f"run:{again.pk}", f"run:{again.reused_id}")]


def test_a_frame_that_came_after_a_run_was_not_in_it(night):
    link = night["green"].block_frames.first()
    late = current(night["green"]).started_at + dt.timedelta(minutes=1)
    RawFile.objects.filter(pk=link.raw_file_id).update(recorded_at=late)
    ids = {node.id for node in provenance_of(current(night["green"])).nodes}
    assert f"frame:{link.raw_file_id}" not in ids
    assert len([one for one in ids if one.startswith("frame:")]) == (
        night["green"].block_frames.count() - 1
    )


def test_a_product_that_is_no_longer_recorded_is_named(night):
    run = current(night["dark"])
    run.inputs = [{**run.inputs[0], "product": 10**9}]
    found = provenance_of(run)
    (lost,) = [one for one in found.of_kind(Kind.PRODUCT) if one.state]
    assert (lost.state, lost.block) == ("no longer recorded", night["green"].ab_name)
    assert lost.page == reverse("block", args=[night["green"].ab_name])


def test_a_calibration_on_disk_is_found_by_its_link_or_by_its_name(night):
    run = current(night["dark"])
    file = night["red"].block_frames.first().raw_file
    run.inputs = [{"label": "BADPIX", "product": None, "producer": None, "file": file.name},
                  {"label": "LINE", "product": None, "producer": None, "file": "gone.fits"}]  # fmt: skip
    found = {one.name: one for one in provenance_of(run).of_kind(Kind.FILE)}
    assert found[file.name].page == reverse("frame", args=[file.pk])
    assert found["gone.fits"].page is None
    night["dark"].calibrations.all().delete()
    CalibrationLink.objects.create(block=night["dark"], label="BADPIX", pro_catg="X", file=file)
    assert file.name in {one.name for one in provenance_of(run).of_kind(Kind.FILE)}


def chain(block, levels, width):
    given: list[Product] = []
    for level in range(levels):
        made = [copy_of(block, f"{levels}-{width}-{level}-{n}", given) for n in range(width)]
        given = [product for _, product in made]
    return made[0][0]


def queries_of(run):
    run = Attempt.objects.select_related("block").get(pk=run.pk)
    with CaptureQueriesContext(connection) as queries:
        found = provenance_of(run)
    return len(queries), found


def test_the_number_of_queries_is_bounded_and_does_not_grow_with_the_width(night):
    narrow, one = queries_of(chain(night["green"], 3, 1))
    wide, many = queries_of(chain(night["green"], 3, 8))
    assert len(many.nodes) > 4 * len(one.nodes)
    assert wide == narrow
    deep, found = queries_of(chain(night["green"], provenance.MOST_LEVELS + 3, 2))
    assert found.is_cut
    assert deep <= 5 + 2 * provenance.MOST_LEVELS


def test_what_is_too_much_is_cut_and_said(night, see, monkeypatch):
    monkeypatch.setattr(provenance, "MOST_NODES", 5)
    found = provenance_of(current(night["dark"]))
    assert found.is_cut
    assert len(found.nodes) == 5
    ids = {node.id for node in found.nodes}
    assert all({edge.start, edge.end} <= ids for edge in found.edges)
    assert "Not all of it" in see(f"/blocks/{night['dark'].ab_name}/provenance/").text


def test_a_circle_comes_to_an_end(night):
    first, product = copy_of(night["green"], "one")
    second, other = copy_of(night["green"], "two", [product])
    first.inputs = [{"label": "MASTER", "product": other.pk, "producer": "two", "file": None}]
    first.save()
    found = provenance_of(second)
    assert len(found.of_kind(Kind.RUN)) == 2


def test_lines_never_run_sideways_where_one_thing_is_used_on_two_levels(night):
    _, bias = copy_of(night["green"], "bias")
    dark_run, dark = copy_of(night["green"], "dark", [bias])
    flat_run, _ = copy_of(night["green"], "flat", [bias, dark])
    levels = {node.block: node.level for node in provenance_of(flat_run).of_kind(Kind.RUN)}
    assert levels == {"flat": 0, "dark": 1, "bias": 2}
    assert dark_run.block.ab_name == "dark"


def test_who_uses_a_block_is_found_through_others(night):
    flat, _ = copy_of(night["dark"], "flat")
    CalibrationLink.objects.create(
        block=flat.block, label="MASTER_DARK", pro_catg="MASTER_DARK", producer=night["dark"]
    )
    found = [(one.block.ab_name, one.steps, one.labels) for one in users_of(night["green"])]
    assert found == [(night["dark"].ab_name, 1, "MASTER_BIAS"), ("flat", 2, "MASTER_DARK")]
    assert users_of(flat.block) == []


# ---- the page


def test_the_page_reads_as_a_list_and_as_a_drawing(night, see):
    page = see(f"/blocks/{night['dark'].ab_name}/provenance/")
    main = page.one("main")
    titles = [one.text for one in main.all("h2")]
    assert titles[1].startswith("DARK")
    assert titles[1].endswith("attempt 1")
    assert titles[2].startswith("BIAS")
    assert titles[-2:] == ["Values", "What uses its products"]
    for link in night["dark"].block_frames.select_related("raw_file"):
        assert link.raw_file.name in main.text
    assert f"/blocks/{night['green'].ab_name}/" in [
        one.attributes.get("href") for one in main.one("svg", css="graph").all("a")
    ]
    assert "MASTER_BIAS" in main.text
    user = see(f"/blocks/{night['green'].ab_name}/provenance/").one("main")
    assert "DARK SLOW_1x1" in user.text


def test_the_page_of_a_block_leads_to_it(night, see):
    page = see(f"/blocks/{night['dark'].ab_name}/")
    address = f"/blocks/{night['dark'].ab_name}/provenance/"
    assert address in [one.attributes.get("href") for one in page.all("a")]


@pytest.mark.parametrize("asked", ["9", "x", "-1", "0", "9" * 50, "١"])
def test_an_unknown_attempt_names_the_known_ones(night, see, client, asked):
    there = f"/blocks/{night['dark'].ab_name}/provenance/?attempt={asked}"
    assert "Known are 1." in see(there, 404).text
    problem = assert_problem(client.get(f"/api/v1{there}"), 404, "attempt")
    assert problem["hint"] == "Known are 1."


def test_a_failed_run_can_be_asked_for_and_a_block_without_result_says_so(states, see, client):
    address = f"/blocks/{states['failed'].ab_name}/provenance/"
    assert "No run of it counts yet" in see(address).text
    assert states["failed"].block_frames.first().raw_file.name in see(f"{address}?attempt=1").text
    told = client.get(f"/api/v1{address}").json()
    assert told == {"block": states["failed"].ab_name, "attempt": None, "nodes": [], "edges": [],
                    "is_cut": False}  # fmt: skip
    see(f"/blocks/{states['incomplete'].ab_name}/provenance/")


# ---- the API


def test_the_api_tells_the_same_graph(night, client, vera):
    client.force_login(vera)
    told = client.get(f"/api/v1/blocks/{night['dark'].ab_name}/provenance/").json()
    assert (told["block"], told["attempt"], told["is_cut"]) == (night["dark"].ab_name, 1, False)
    found = provenance_of(current(night["dark"]))
    assert [one["id"] for one in told["nodes"]] == [one.id for one in found.nodes]
    assert {tuple(one.values()) for one in told["edges"]} == {
        (one.start, one.end, one.role) for one in found.edges
    }
    assert list(told["edges"][0]) == ["from", "to", "role"]
    run = next(one for one in told["nodes"] if one["kind"] == "run")
    attempt = current(night["dark"])
    assert run["run"]["recipe"] == attempt.recipe
    assert run["run"]["pipeline_version"] == attempt.pipeline_version
    assert run["run"]["worker"] == attempt.worker
    for node in told["nodes"]:
        for address in (node["address"], node["page"]):
            if address:
                assert client.get(address).status_code == 200, address
