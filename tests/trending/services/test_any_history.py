"""Whatever people and instruments do, in any order: each past score comes out as it was."""

import contextlib
import random

import pytest
from django.utils import timezone

from tests.trending.conftest import row, rule
from trending.models import (
    ActKind,
    EventKind,
    Mark,
    MarkKind,
    QC1Row,
    QualityEvent,
    ReferenceValue,
    Rescoring,
    Score,
    ScoreAct,
    ScoreRule,
)
from trending.services import corrections, events, rules
from trending.services.corrections import CorrectionError
from trending.services.proposals import proposals
from trending.services.rescore import reproduce, rescore
from trending.services.rescoring import rescore_due
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db

RULES = [
    rule("3SIG", more="window_days = 20\nfallback = 'VAL 50,150'"),
    rule("2MAD", more="window_points = 6\nmin_n = 3\nwarning = '1MAD'"),
    rule("3SIG", more="baseline = 'rolling(min_effect=0.5)'\nrun_rules = ['WE1']"),
    rule("OFF 4", more='average = "REFERENCE"\nmin_n = 1'),
    rule("VAL 90,110"),
]


class Story:
    """Random acts on one small table."""

    def __init__(self, seed, store, load, camera):
        self.random = random.Random(seed)  # noqa: S311  a story, no secret
        self.store, self.load, self.camera = store, load, camera
        self.night = 0
        self.said = {"author": "quinn", "reason": "because"}

    def step(self):
        acts = [
            self.arrive, self.arrive, self.arrive, self.late, self.again, self.mark, self.unmark,
            self.correct, self.take_back, self.event, self.withdraw, self.take_reference,
            self.folder, self.change, self.rescore,
        ]  # fmt: skip
        self.random.choice(acts)()
        if self.random.random() < 0.8:
            self.work()

    def work(self):
        """What a worker does within seconds; now and then it comes after the next act."""
        rescore_due(timezone.now())

    def put(self, *mjds):
        done = self.store(*[
            row(mjd=mjd, level=round(self.random.gauss(100, 3), 3), detector=detector)
            for mjd in mjds
            for detector in ("CHIP1", "CHIP2")
        ])  # fmt: skip
        score_rows(done.changed, done.at)

    def arrive(self):
        self.night += self.random.choice([1, 1, 1, 40])
        self.put(61101.5 + self.night)

    def late(self):
        self.put(61101.25 + self.random.randint(0, self.night))

    def again(self):
        found = self.any_row()
        if found:
            self.put(found.mjd_obs)

    def any_row(self):
        rows = list(QC1Row.objects.filter(is_current=True).order_by("pk"))
        return self.random.choice(rows) if rows else None

    def any_level(self, of_row):
        return of_row.values.get(series__parameter__name="level").series

    def mark(self):
        found = self.any_row()
        if found:
            kind = self.random.choice(list(MarkKind))
            series = self.any_level(found) if kind == MarkKind.EXCLUDED else None
            corrections.mark([found.pk], kind, series=series, at=timezone.now(), **self.said)

    def unmark(self):
        marks = list(Mark.objects.open().filter(row__is_current=True))
        if marks:
            corrections.unmark([self.random.choice(marks)], at=timezone.now(), **self.said)

    def correct(self):
        found = self.any_row()
        if found:
            kind = self.random.choice(list(ActKind))
            # What has no score cannot be corrected.
            with contextlib.suppress(CorrectionError):
                corrections.correct_value(
                    self.any_level(found), found, kind, at=timezone.now(), **self.said
                )

    def take_back(self):
        acts = list(ScoreAct.objects.open())
        if acts:
            corrections.take_back(self.random.choice(acts), at=timezone.now(), **self.said)

    def event(self):
        mjd = 61101.0 + self.random.randint(0, self.night + 1)
        event = events.declare(
            self.camera, EventKind.INTERVENTION, mjd, "Worked on", author="q", at=timezone.now()
        )
        if proposed := proposals(event):
            events.adopt(proposed, event, at=timezone.now(), **self.said)

    def withdraw(self):
        found = list(QualityEvent.objects.open())
        if found:
            events.withdraw(self.random.choice(found), at=timezone.now(), **self.said)

    def take_reference(self):
        found = list(ReferenceValue.objects.open())
        if found:
            some = self.random.sample(found, min(len(found), 2))
            events.take_back_references(some, at=timezone.now(), **self.said)

    def folder(self):
        self.load(self.random.choice([*RULES, ""]))

    def change(self):
        found = list(ScoreRule.objects.open())
        if found:
            start = self.random.choice([None, 61101.0 + self.random.randint(0, self.night + 1)])
            changes = {"limits": self.random.choice(["2SIG", "VAL 95,105"])}
            # From a date after its own end a version is not changed.
            with contextlib.suppress(rules.RuleConflictError):
                rules.change_rule(
                    self.random.choice(found), changes, valid_from_mjd=start, at=timezone.now(),
                    **self.said,
                )  # fmt: skip

    def rescore(self):
        rescore(QC1Row.objects.filter(is_current=True), timezone.now())


@pytest.mark.parametrize("seed", range(10))
def test_the_past_comes_out_as_it_was(seed, store, load, camera):
    load(RULES[seed % len(RULES)])
    story = Story(seed, store, load, camera)
    times = []
    for _ in range(60):
        story.step()
        times.append(timezone.now())
    story.work()
    for at in [*story.random.sample(times, 6), timezone.now()]:
        done = reproduce(at, QC1Row.objects.all())
        assert [str(one) for one in done.differences] == []
        assert done.n_close == 0
    assert not Rescoring.objects.exists()
    assert_references_follow_each_other()
    standing = Score.objects.filter(is_current=True)
    assert not standing.filter(result=0, value=None).exists()
    assert not standing.filter(row__is_current=False).exists()


def assert_references_follow_each_other():
    """Of one setup and detector no two references hold at an instant, none of a withdrawn event."""
    standing = ReferenceValue.objects.open()
    assert not standing.filter(event__superseded_at__isnull=False).exists()
    ends: dict[tuple[int, str, str], float] = {}
    for one in standing.order_by("valid_from_mjd"):
        key = (one.parameter_id, str(one.setup), one.detector)
        assert ends.get(key, 0.0) <= one.valid_from_mjd
        ends[key] = one.valid_until_mjd or 1e6
