"""The past can be asked: scores come out as they were, whatever has been said since."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.trending.conftest import row, rule
from trending.models import (
    ActKind,
    EventKind,
    Mark,
    MarkKind,
    QC1Row,
    QC1Value,
    Score,
    ScoreAct,
    ScoreRule,
    ValueState,
)
from trending.services import events, rules
from trending.services.corrections import (
    CorrectionError,
    _later_rows,
    correct_value,
    mark,
    restate,
    score_again,
    take_back,
    unmark,
)
from trending.services.facts import Facts
from trending.services.proposals import proposals
from trending.services.rescore import reproduce, rescore, scores_at
from trending.services.rescoring import rescore_due
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db

STATISTICAL = rule("3SIG", more='window_days = 30\naverage = "MEAN"')
WORDS: dict[str, Any] = {"author": "quinn", "reason": "looked at it"}


def now():
    return timezone.now()


@pytest.fixture
def nights(load, store):
    """Twenty nights, stored and scored one by one."""
    load(STATISTICAL)
    for n in range(20):
        stored = store(row(mjd=61101.5 + n, level=100.0 + 0.37 * ((n * 7) % 5)))
        score_rows(stored.new, stored.at)
    return list(QC1Row.objects.order_by("mjd_obs"))


def level_score(of_row):
    return Score.objects.get(row=of_row, is_current=True, series__parameter__name="level")


def prove(at):
    done = reproduce(at, QC1Row.objects.all())
    assert [str(one) for one in done.differences] == []
    assert done.n_close == 0
    return done.n_scores


def test_a_night_comes_out_as_it_was_after_all_that_can_happen(nights, load, store, camera):
    then = now()
    before = dict(scores_at(then, QC1Row.objects.all()).values_list("pk", "upper"))
    hidden = mark([nights[3].pk], MarkKind.HIDDEN, at=now(), **WORDS)
    level = level_score(nights[5]).series
    mark([nights[5].pk], MarkKind.EXCLUDED, series=level, at=now(), **WORDS)
    events.declare(camera, EventKind.INTERVENTION, 61110.0, "New amplifier", author="q", at=now())
    assert rescore_due(now()) == 11
    load(STATISTICAL.replace("3SIG", "2SIG"))
    late = store(row(mjd=61101.75, level=140.0))
    score_rows(late.new, late.at)
    again = store(row(mjd=61101.5 + 7, level=99.0))
    score_rows(again.replaced, again.at)
    correct_value(level, nights[15], ActKind.REMOVE, at=now(), **WORDS)
    rescore(QC1Row.objects.filter(is_current=True), now())
    unmark(hidden, author="quinn", reason="it was fine", at=now())
    assert prove(then) == 20
    assert dict(scores_at(then, QC1Row.objects.all()).values_list("pk", "upper")) == before
    assert prove(now()) == 21


def test_a_hidden_value_counts_for_nothing_and_comes_back(nights):
    one, later = nights[10], nights[11]
    with_it = level_score(later).average
    [made] = mark([one.pk], MarkKind.HIDDEN, at=now(), **WORDS)
    assert set(one.values.values_list("state", flat=True)) == {ValueState.HIDDEN}
    assert not Score.objects.filter(row=one, is_current=True).exists()
    assert level_score(later).n == 10
    assert level_score(later).average != with_it
    unmark([made], author="orla", reason="a good one", at=now())
    made.refresh_from_db()
    assert (made.ended_by, made.end_reason) == ("orla", "a good one")
    assert (level_score(later).n, level_score(later).average) == (11, with_it)
    assert set(one.values.values_list("state", flat=True)) == {ValueState.CURRENT}


def test_an_excluded_value_is_judged_and_drawn_but_counts_in_no_limit(nights):
    one, later = nights[10], nights[11]
    level = level_score(one).series
    mark([one.pk], MarkKind.EXCLUDED, series=level, at=now(), **WORDS)
    states = dict(one.values.values_list("series__parameter__name", "state"))
    assert (states["level"], states["ron"]) == (ValueState.EXCLUDED, ValueState.CURRENT)
    assert level_score(one).result is not None
    assert (level_score(one).n, level_score(later).n) == (10, 10)


def test_the_strongest_mark_shows_and_the_other_is_back_when_it_ends(nights):
    [hidden] = mark([nights[0].pk], MarkKind.HIDDEN, at=now(), **WORDS)
    [rejected] = mark([nights[0].pk], MarkKind.REJECTED, at=now(), **WORDS)
    for gone, state in ((rejected, ValueState.HIDDEN), (hidden, ValueState.CURRENT)):
        unmark([gone], at=now(), **WORDS)
        nights[0].refresh_from_db()
        assert nights[0].state == state


def test_marking_twice_is_one_mark_and_ending_twice_is_refused(nights):
    [made] = mark([nights[0].pk], MarkKind.HIDDEN, at=now(), **WORDS)
    assert mark([nights[0].pk], MarkKind.HIDDEN, at=now(), **WORDS) == []
    unmark([made], at=now(), **WORDS)
    with pytest.raises(CorrectionError, match="taken back already"):
        unmark([made], at=now(), **WORDS)
    assert Mark.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_nothing_is_done_without_a_reason(nights, reason):
    with pytest.raises(CorrectionError, match="A reason is needed"):
        mark([nights[0].pk], MarkKind.HIDDEN, author="q", reason=reason, at=now())
    with pytest.raises(CorrectionError, match="A reason is needed"):
        correct_value(level_score(nights[9]).series, nights[9], ActKind.REMOVE,
                      author="q", reason=reason, at=now())  # fmt: skip
    assert not Mark.objects.exists()
    assert not ScoreAct.objects.exists()


def test_a_red_value_is_called_ok_and_red_again(load, store):
    load(rule("VAL 90,110"))
    stored = store(row(level=120.0))
    [score] = score_rows(stored.new, stored.at)
    one = QC1Row.objects.get()
    act = correct_value(score.series, one, ActKind.OVERRIDE, at=now(), **WORDS)
    overridden = level_score(one)
    assert (overridden.result, overridden.act, overridden.upper) == (0, act, 110.0)
    assert QC1Value.objects.get(row=one, series=score.series).score_result == 0
    rescore(QC1Row.objects.all(), now())
    assert level_score(one).result == 0
    take_back(act, author="orla", reason="no, it was bad", at=now())
    assert (level_score(one).result, level_score(one).act) == (1, None)
    prove(now())


def test_what_has_no_value_is_never_called_ok(load, store):
    load(rule("VAL 90,110"))
    stored = store(row(level=None))
    [score] = score_rows(stored.new, stored.at)
    with pytest.raises(CorrectionError, match="value missing"):
        correct_value(score.series, QC1Row.objects.get(), ActKind.OVERRIDE, at=now(), **WORDS)


def test_scoring_again_what_has_not_changed_writes_nothing(nights):
    scores = set(Score.objects.values_list("pk", flat=True))
    assert rescore(QC1Row.objects.all(), now()) == 0
    assert set(Score.objects.values_list("pk", flat=True)) == scores


def test_scores_that_others_write_meanwhile_are_not_counted(nights, store, monkeypatch):
    def beside_another(ids, at):
        done = store(row(mjd=61200.5))
        score_rows(done.new, done.at)
        return score_again(ids, at)

    monkeypatch.setattr("trending.services.rescore.score_again", beside_another)
    assert rescore(QC1Row.objects.filter(mjd_obs__lt=61200), now()) == 0


def test_facts_and_marks_of_very_many_rows_can_be_asked(nights):
    many = range(1, 40_001)
    with CaptureQueriesContext(connection) as queries:
        Facts([]).acts(many)
        restate(many)
        assert len(_later_rows(many)) == 20
    longest = max(len(one["sql"]) for one in queries)
    assert longest < 20_000


def test_a_new_fact_is_later_than_what_is_there_whatever_the_clock_says(table, store):
    first = store(row())
    second = store(row(mjd=61102.5), at=first.at - dt.timedelta(hours=1))
    assert second.at > first.at


def test_an_event_begins_an_epoch_and_taking_it_back_ends_it(nights, camera):
    event = events.declare(
        camera, EventKind.INTERVENTION, 61110.0, "New amplifier", author="q", at=now()
    )
    rescore_due(now())
    assert level_score(nights[9]).grey_reason == "too_few_points"
    assert level_score(nights[-1]).n == 10
    assert level_score(nights[8]).n == 8
    events.withdraw(event, author="q", reason="another camera", at=now())
    rescore_due(now())
    assert level_score(nights[9]).n == 9
    prove(now())


def test_a_reference_holds_from_its_event_on_and_the_former_for_its_epoch(nights, load, camera):
    load(rule("OFF 2", more='average = "REFERENCE"\nmin_n = 1'))
    for mjd in (61100.0, 61111.0):
        event = events.declare(
            camera, EventKind.INTERVENTION, mjd, "Worked on", author="q", at=now()
        )
        events.adopt(proposals(event), event, at=now(), **WORDS)
    rescore_due(now())
    early, late = level_score(nights[2]), level_score(nights[-1])
    assert (early.average, late.average) == (100.74, 100.74)
    assert (early.n, late.n) == (10, 10)
    assert late.upper == pytest.approx(102.74)
    prove(now())


def test_a_rule_changed_from_a_date_leaves_what_was_before(nights):
    former = ScoreRule.objects.get()
    rules.change_rule(
        former, {"limits": "VAL 0,1"}, author="quinn", reason="tighter",
        valid_from_mjd=61115.0, at=now(),
    )  # fmt: skip
    rescore(QC1Row.objects.all(), now())
    assert [level_score(one).result for one in (nights[10], nights[-1])] == [0, 1]
    assert level_score(nights[-1]).rule.version == 3
    assert ScoreRule.objects.open().count() == 2


def test_what_a_person_changed_stands_until_the_folder_changes(nights, load):
    rules.change_rule(
        ScoreRule.objects.get(), {"limits": "5SIG"}, author="quinn", reason="wider",
        valid_from_mjd=None, at=now(),
    )  # fmt: skip
    load(STATISTICAL)
    assert ScoreRule.objects.open().get().limits == "5SIG"
    load(STATISTICAL.replace("3SIG", "4SIG"))
    assert ScoreRule.objects.open().get().limits == "4SIG"
    load("")
    assert not ScoreRule.objects.open().exists()


def test_a_change_of_a_version_that_stands_no_more_is_refused(nights, load):
    former = ScoreRule.objects.get()
    load(STATISTICAL.replace("3SIG", "4SIG"))
    with pytest.raises(rules.RuleConflictError, match="not in force any more"):
        rules.change_rule(former, {"limits": "5SIG"}, author="q", reason="r",
                          valid_from_mjd=None, at=now())  # fmt: skip
