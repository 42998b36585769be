"""Comments and news: who writes them, where they are read, and that tricks in them do nothing."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.models import Instrument
from qcweb.notes.models import Comment, News
from qcweb.notes.services import NoteError, Readers, write_news
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db
TRICK = "<script>alert(1)</script> & <img src=x onerror=alert(2)>"


@pytest.fixture
def quinn_in(client, quinn):
    client.force_login(quinn)
    return client


def write(client, **form):
    return client.post("/instruments/CCDCAM/comments/", {"text": "a cloud", **form})


def test_a_comment_stands_on_the_page_of_its_block_until_it_is_withdrawn(night, quinn_in):
    page = f"/blocks/{night['red'].ab_name}/"
    answer = write(quinn_in, ab_name=night["red"].ab_name, back=page, text=TRICK)
    assert answer.url == page
    shown = quinn_in.get(page).content.decode()
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    one = Comment.objects.get()
    assert (one.subject, one.author.username) == ("BLOCK", "quinn")
    quinn_in.post(f"/comments/{one.pk}/withdraw/", {"back": page})
    assert "alert(1)" not in quinn_in.get(page).content.decode().split("Comments</h2>")[1]
    one.refresh_from_db()
    assert (one.withdrawn_by.username, one.text) == ("quinn", TRICK)


def test_each_subject_has_its_page(night, quinn_in):
    frame = night["red"].block_frames.first().raw_file_id
    pages = {
        "NIGHT": ({"night": "2026-03-01"}, "/nights/CCDCAM/2026-03-01/"),
        "FRAME": ({"frame": frame}, f"/frames/{frame}/"),
        "PLOT": ({"report": "bias_level", "plot": "Bias level"}, "/reports/CCDCAM/bias_level/"),
    }
    for subject, (form, page) in pages.items():
        write(quinn_in, **form, back=page, text=f"on {subject}")
        assert Comment.objects.get(text=f"on {subject}").subject == subject
        assert f"on {subject}" in quinn_in.get(page).content.decode(), subject


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"ab_name": "none"}, 404), ({"frame": "x"}, 404), ({"frame": "9" * 14}, 404),
        ({"report": "none"}, 404), ({"night": "never"}, 404),
    ],
)  # fmt: skip
def test_a_comment_on_nothing_is_refused(night, quinn_in, form, status):
    assert write(quinn_in, **form).status_code == status
    assert not Comment.objects.exists()


@pytest.mark.parametrize("text", ["", "  ", "x" * 5001])
def test_no_text_and_too_much_of_it_are_refused_and_kept(night, quinn_in, text):
    page = f"/blocks/{night['red'].ab_name}/"
    write(quinn_in, ab_name=night["red"].ab_name, back=page, text=text)
    assert not Comment.objects.exists()
    shown = parse(quinn_in.get(page))
    [box] = [one for one in shown.all("textarea") if one.attributes.get("id") == "co-text"]
    assert box.text == text.strip()[:5000]


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/x", "javascript:1", ""])
def test_the_way_back_stays_here(night, quinn_in, back):
    answer = write(quinn_in, night="2026-03-01", back=back)
    assert answer.url == "/"


def test_only_the_author_or_a_scientist_withdraws(night, quinn_in, vera, client, quinn):
    write(quinn_in, night="2026-03-01")
    one = Comment.objects.get()
    client.force_login(vera)
    assert client.post(f"/comments/{one.pk}/withdraw/").status_code == 403
    mine = client.post("/instruments/CCDCAM/comments/", {"text": "mine", "night": "2026-03-01"})
    assert mine.status_code == 302
    other = Comment.objects.get(text="mine")
    client.force_login(quinn)
    assert client.post(f"/comments/{other.pk}/withdraw/").status_code == 302
    assert set(Comment.objects.standing().values_list("text", flat=True)) == {"a cloud"}


def test_news_is_shown_to_whom_it_is_for(night, quinn_in):
    write_all = {"general": "all read this", "instrument:CCDCAM": "camera news",
                 "report:CCDCAM/bias_level": "report news", "instrument:UVES": "other news"}  # fmt: skip
    for scope, text in write_all.items():
        assert quinn_in.post("/news/", {"scope": scope, "text": text}).status_code == 302
    assert News.objects.count() == 4

    def read(page):
        shown = quinn_in.get(page).content.decode()
        return [text for text in write_all.values() if text in shown]

    assert read("/") == ["all read this"]
    assert read("/nights/CCDCAM/2026-03-01/") == ["all read this", "camera news"]
    assert read("/reports/CCDCAM/bias_level/") == ["all read this", "camera news", "report news"]
    assert read("/reports/CCDCAM/read_noise/") == ["all read this", "camera news"]
    assert read("/news/") == list(write_all.values())
    quinn_in.post(f"/news/{News.objects.get(text='all read this').pk}/withdraw/")
    quinn_in.get("/news/")  # which says once what was withdrawn
    assert read("/") == []


def test_news_ends_with_its_last_day(night, quinn):
    at = timezone.now()
    write_news(Readers(), "today", quinn, at, until=at.date())
    with pytest.raises(NoteError, match="is over"):
        write_news(Readers(), "late", quinn, at, until=at.date() - dt.timedelta(days=1))
    assert News.objects.seen_on(at.date()).count() == 1
    assert News.objects.seen_on(at.date() + dt.timedelta(days=1)).count() == 0


def test_the_database_refuses_notes_on_nothing_or_on_two_things(night, quinn):
    camera = Instrument.objects.get(name="CCDCAM")
    common = {"text": "x", "author": quinn, "written_at": timezone.now()}
    frame = night["red"].block_frames.first().raw_file
    for odd in (
        {"subject": "NIGHT"}, {"subject": "BLOCK"}, {"subject": "PLOT"},
        {"subject": "BLOCK", "block": night["red"], "frame": frame},
    ):  # fmt: skip
        with pytest.raises(IntegrityError, match="on_one_thing"), transaction.atomic():
            Comment.objects.create(instrument=camera, **odd, **common)
    with pytest.raises(IntegrityError, match="one_scope"), transaction.atomic():
        News.objects.create(scope="GENERAL", instrument=camera, **common)
