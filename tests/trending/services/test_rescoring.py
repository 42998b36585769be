"""What came after an event is scored again by a worker; one that ends early loses one lot at most."""

import pytest
from django.utils import timezone

from tests.trending.conftest import row, rule
from trending.models import EventKind, QC1Table, QualityEvent, ReferenceValue, Rescoring, Score
from trending.services import events, rescoring
from trending.services.corrections import CorrectionError, score_again
from trending.services.proposals import proposals
from trending.services.rescore import rescore
from trending.services.rescoring import LEASE, rescore_due, rows_left
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db

WORDS = {"author": "quinn", "reason": "looked at it"}
BY_REFERENCE = rule("OFF 2", more='average = "REFERENCE"\nmin_n = 1')


def now():
    return timezone.now()


@pytest.fixture
def nights(load, store, monkeypatch):
    """Twenty nights of two detectors; a lot is four rows."""
    load(rule("3SIG", more='window_days = 30\naverage = "MEAN"'))
    rows = [
        row(mjd=61101.5 + n, level=100.0 + 0.37 * ((n * 7) % 5), detector=detector)
        for n in range(20)
        for detector in ("CHIP1", "CHIP2")
    ]
    stored = store(*rows)
    score_rows(stored.new, stored.at)
    monkeypatch.setattr(rescoring, "LOT", 4)


def declare(camera, mjd=61111.0, **more):
    return events.declare(
        camera, EventKind.INTERVENTION, mjd, "Worked on", author="q", at=now(), **more
    )


def evidence():
    scores = Score.objects.filter(is_current=True).order_by("series", "row")
    return list(scores.values_list("series", "row", "n", "average", "lower", "upper", "rule"))


def test_an_event_waits_for_a_worker_and_is_scored_once(nights, camera):
    before = evidence()
    declare(camera)
    assert evidence() == before
    assert rows_left(QC1Table.objects.all()) == 20
    assert rescore_due(now()) == 20
    assert evidence() != before
    assert not Rescoring.objects.exists()
    assert rescore_due(now()) == 0
    done = evidence()
    assert rescore(QC1Table.objects.get().rows.all(), now()) == 0
    assert evidence() == done


def test_a_worker_that_ends_early_leaves_the_rest_to_the_next(nights, camera, monkeypatch):
    declare(camera)
    whole, lots = score_again, []

    def end_in_the_third(ids, at):
        lots.append(len(ids))
        if len(lots) == 3:
            raise KeyboardInterrupt
        return whole(ids, at)

    monkeypatch.setattr(rescoring, "score_again", end_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        rescore_due(now())
    assert rows_left(QC1Table.objects.all()) == 12
    # It is taken to be at work until its time is over.
    assert rescore_due(now()) == 0
    assert rescore_due(now() + 2 * LEASE) == 12
    assert lots == [4] * 6 + [0]
    assert rescore(QC1Table.objects.get().rows.all(), now() + 3 * LEASE) == 0


def test_a_lot_that_fails_is_not_half_done(nights, camera, monkeypatch):
    before = evidence()
    declare(camera)
    whole = score_again

    def fail_after(ids, at):
        whole(ids, at)
        raise RuntimeError("out of order")

    monkeypatch.setattr(rescoring, "score_again", fail_after)
    with pytest.raises(RuntimeError):
        rescore_due(now())
    assert evidence() == before
    assert rows_left(QC1Table.objects.all()) == 20


def test_rows_of_one_instant_are_divided_among_lots_and_none_is_left_out(
    nights, camera, monkeypatch
):
    monkeypatch.setattr(rescoring, "LOT", 3)
    declare(camera)
    assert rescore_due(now()) == 20


def test_a_worker_stops_when_its_time_is_over(nights, camera):
    declare(camera)
    assert rescore_due(now(), budget_s=0.0) == 0
    assert Rescoring.objects.get().busy_until is None
    assert rows_left(QC1Table.objects.all()) == 20


def test_of_two_events_the_earlier_instant_counts(nights, camera):
    for mjd, n_left in ((61111.0, 20), (61115.0, 20), (61106.5, 30)):
        declare(camera, mjd)
        assert rows_left(QC1Table.objects.all()) == n_left
    assert Rescoring.objects.count() == 1


def test_what_comes_while_it_is_under_way_goes_back_in_time(nights, camera):
    declare(camera, 61111.0)
    table = QC1Table.objects.get()
    rescoring._score_lot(table, now())
    assert rows_left([table]) == 16
    declare(camera, 61119.0)
    assert rows_left([table]) == 16
    declare(camera, 61110.5)
    assert rows_left([table]) == 22


def test_a_note_asks_for_nothing(nights, camera):
    declare(camera, begins_epoch=False)
    assert not Rescoring.objects.exists()


def test_an_event_that_cannot_be_written_asks_for_nothing(nights, camera, monkeypatch):
    def fail(*args):
        raise RuntimeError("out of order")

    monkeypatch.setattr(events, "ask_rescoring", fail)
    with pytest.raises(RuntimeError):
        declare(camera)
    assert not QualityEvent.objects.exists()


@pytest.fixture
def references(nights, load, camera):
    """Two events, with references adopted at each."""
    load(BY_REFERENCE)
    made = []
    for mjd in (61100.0, 61111.0):
        event = declare(camera, mjd)
        events.adopt(proposals(event), event, at=now(), **WORDS)
        made.append(event)
    rescore_due(now())
    return made


def epochs():
    standing = ReferenceValue.objects.open().filter(detector="CHIP1").order_by("valid_from_mjd")
    return list(standing.values_list("valid_from_mjd", "valid_until_mjd"))


def test_an_event_that_is_taken_back_takes_its_references_with_it(references):
    assert epochs() == [(61100.0, 61111.0), (61111.0, None)]
    events.withdraw(references[1], author="orla", reason="another camera", at=now())
    assert epochs() == [(61100.0, None)]
    gone = ReferenceValue.objects.filter(event=references[1])
    assert set(gone.values_list("ended_by", "end_reason")) == {("orla", "another camera")}
    assert not gone.open().exists()
    assert rows_left(QC1Table.objects.all()) == 20


def test_the_first_event_taken_back_leaves_no_reference_before_the_second(references):
    events.withdraw(references[0], at=now(), **WORDS)
    assert epochs() == [(61111.0, None)]
    rescore_due(now())
    early = Score.objects.filter(is_current=True, row__mjd_obs__lt=61111)
    assert set(early.values_list("grey_reason", flat=True)) == {"average_undefined"}


def test_one_reference_is_taken_back_and_the_others_stay(references):
    [one] = ReferenceValue.objects.open().filter(event=references[1], detector="CHIP1")
    events.take_back_references([one], author="orla", reason="too early", at=now())
    assert epochs() == [(61100.0, None)]
    assert ReferenceValue.objects.open().filter(event=references[1]).count() == 1
    with pytest.raises(CorrectionError, match="taken back already"):
        events.take_back_references([one], at=now(), **WORDS)


def test_references_that_follow_each_other_are_taken_back_together(references, camera):
    third = declare(camera, 61115.0)
    events.adopt(proposals(third), third, at=now(), **WORDS)
    later = ReferenceValue.objects.open().filter(valid_from_mjd__gte=61111)
    events.take_back_references(later, at=now(), **WORDS)
    assert epochs() == [(61100.0, None)]


def test_a_reference_of_the_same_instant_holds_again(references, camera):
    level = ReferenceValue.objects.open().get(detector="CHIP1", valid_from_mjd=61111).value
    other = declare(camera, 61111.0)
    events.adopt(proposals(other), other, at=now(), **WORDS)
    events.withdraw(other, at=now(), **WORDS)
    assert epochs() == [(61100.0, 61111.0), (61111.0, None)]
    back = ReferenceValue.objects.open().get(detector="CHIP1", valid_from_mjd=61111)
    assert (back.value, back.event) == (level, references[1])


@pytest.mark.parametrize("reason", ["", " \n"])
def test_nothing_is_taken_back_without_a_reason(references, reason):
    said = {"author": "q", "reason": reason, "at": now()}
    for act in (
        lambda: events.withdraw(references[1], **said),
        lambda: events.take_back_references(ReferenceValue.objects.open(), **said),
        lambda: events.adopt(proposals(references[1]), references[1], **said),
    ):
        with pytest.raises(CorrectionError, match="A reason is needed"):
            act()
    assert epochs() == [(61100.0, 61111.0), (61111.0, None)]


def test_nothing_is_adopted_at_an_event_that_was_taken_back(references):
    proposed = proposals(references[1])
    events.withdraw(references[1], at=now(), **WORDS)
    with pytest.raises(CorrectionError, match="has been taken back"):
        events.adopt(proposed, references[1], at=now(), **WORDS)


def test_proposals_ask_few_questions_and_take_the_nearest_good_values(
    load, store, camera, django_assert_max_num_queries
):
    load(rule())
    store(*[
        row(mjd=61001.5 + n, level=float(n), detector=f"CHIP{k}")
        for n in range(60)
        for k in range(30)
    ])  # fmt: skip
    store(*[row(mjd=61090.5 + n, level=1.0, detector="NEW") for n in range(2)])
    event = declare(camera, 61031.5)
    with django_assert_max_num_queries(8):
        found = proposals(event)
    assert len(found) == 30
    assert {(one.reference.value, one.reference.n) for one in found} == {(34.5, 10)}
    assert {(one.before.value, one.before.n) for one in found} == {(24.5, 10)}
    assert {one.former for one in found} == {None}
    few = proposals(declare(camera, 61058.5))
    assert {(one.reference.value, one.reference.n) for one in few} == {(58.0, 3)}
