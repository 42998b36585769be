"""The page of a quality event: what is still to be scored again, and what is taken back."""

import pytest
from django.utils import timezone

from pipelines.models import Chore
from qcweb.tasks import rescore_after_events
from tests.qcweb.web.html import parse
from trending.models import QC1Parameter, QC1Row, QualityEvent, ReferenceValue, Rescoring

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(client, night, quinn):
    """Declare an event just before a green block, on the page."""
    client.force_login(quinn)
    instrument = night["green"].instrument.name
    answer = client.post(
        "/events/",
        {"instrument": instrument, "title": "New amplifier", "happened_at": "2020-01-01 12:00",
         "kind": "intervention", "begins_epoch": "on"},
        follow=True,
    )  # fmt: skip
    assert "New amplifier: written down" in parse(answer).text
    return QualityEvent.objects.get()


def test_the_page_says_what_is_left_until_a_worker_has_done_it(client, event):
    n = QC1Row.objects.current().filter(table__instrument=event.instrument).count()
    page = f"/events/{event.pk}/"
    assert f"Scoring again what came after: {n} row" in parse(client.get(page)).text
    assert rescore_after_events() == n
    assert "Scoring again" not in parse(client.get(page)).text
    assert Chore.objects.get(name="rescore_after_events").said == f"{n} rows, 0 left"
    assert not Rescoring.objects.exists()


def test_a_reference_is_taken_back_on_the_page_with_a_reason(client, event):
    parameter = QC1Parameter.objects.filter(table__instrument=event.instrument)[0]
    made = ReferenceValue.objects.create(
        parameter=parameter, event=event, value=1.0, n=10, valid_from_mjd=event.mjd, author="q", reason="r",
        recorded_at=timezone.now(),
    )  # fmt: skip
    address = f"/events/{event.pk}/references/{made.pk}/withdraw/"
    assert address in client.get(f"/events/{event.pk}/").content.decode()
    assert "A reason is needed" in parse(client.post(address, follow=True)).text
    answer = client.post(address, {"reason": "too early"}, follow=True)
    assert "taken back by quinn" in parse(answer).text
    assert not ReferenceValue.objects.open().exists()


def test_an_event_is_not_taken_back_without_a_reason(client, event):
    address = f"/events/{event.pk}/withdraw/"
    assert "A reason is needed" in parse(client.post(address, follow=True)).text
    assert QualityEvent.objects.open().exists()
