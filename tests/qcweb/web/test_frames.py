"""Raw frames: the browser with its filters, the page of one frame in each state, its picture."""

import dataclasses
import datetime as dt
import gzip
import io
import itertools
import time

import numpy as np
import pytest
from astropy.io import fits
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from PIL import Image

from pipelines.models import AssociationBlock, RawFile, Root
from qcweb.private import may_see_header, visible_purpose
from tests.frames import BIAS, taken
from tests.qcweb.web.html import parse

NIGHT = dt.date(2026, 3, 1)
SCIENCE = dataclasses.replace(
    BIAS, kind="SCIENCE", n_frames=1, exptime_s=300.0, filter_name="V",
    start=BIAS.start - dt.timedelta(hours=5), expectation=None,
)  # fmt: skip
EVIL = "<script>alert(1)</script>"


def change(frame, **fields):
    RawFile.objects.filter(pk=frame.pk).update(**fields)
    frame.refresh_from_db()


def some_frame(**fields):
    return RawFile.objects.filter(**fields).order_by("mjd_obs")[0]


def names_on(page):
    return [row.all("th")[0].text for row in page.one("main").one("tbody").all("tr")]


# The browser ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("", 9),
        ("instrument=CCDCAM", 9),
        ("instrument=UVES", 0),
        ("night=2026-03-01", 9),
        ("night=2026-03-02", 0),
        ("raw_type=DARK", 3),
        ("setup=fast", 3),
        ("setup=%25", 0),
        ("q=2026-03-02T09:05", 3),
        ("q=_", 0),
        ("state=calibration", 9),
        ("state=science", 0),
        ("state=master", 0),
        ("state=unclassified", 0),
        ("state=damaged", 0),
        ("state=gone", 0),
        ("state=hidden", 0),
        ("instrument=CCDCAM&night=2026-03-01&raw_type=BIAS&setup=SLOW&q=ccdcam", 3),
        ("instrument=CCDCAM&night=2026-03-01&raw_type=BIAS&setup=SLOW&state=hidden", 0),
    ],
)
def test_each_filter_alone_and_all_together(night, see, query, n):
    page = see(f"/frames/?{query}")
    assert page.one("header", css="head").one(css="tag").text == f"{n} found"
    if n:
        assert len(names_on(page)) == n
    else:
        assert "None fits. Show all" in page.one(css="empty").text


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("hidden", {"hidden_at": timezone.now(), "hidden_reason": "light leak"}),
        ("gone", {"gone_at": timezone.now()}),
        ("damaged", {"problem": "truncated"}),
        ("unclassified", {"raw_type": ""}),
        ("master", {"raw_type": "", "pro_catg": "MASTER_BIAS"}),
        ("science", {"is_science": True}),
    ],
)
def test_a_state_finds_the_frame_that_is_in_it(night, see, state, fields):
    frame = some_frame()
    change(frame, **fields)
    assert names_on(see(f"/frames/?state={state}")) == [frame.name]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("state=blue", 400, "Known are calibration, science, master"),
        ("instrument=FORS2", 404, "Known are CCDCAM, MUSE, UVES."),
        ("night=yesterday", 404, "Nights are dates"),
        ("page=x", 400, "Pages are numbers."),
        ("page=", 400, "Pages are numbers."),
        ("page=-1", 400, "Pages are numbers."),
        ("page=%C2%B2", 400, "Pages are numbers."),
        ("page=99999999", 400, "Pages are numbers."),
        ("q=%00", 400, "UTF-8, without NUL"),
    ],
)
def test_a_wrong_filter_is_told_what_is_wrong(night, see, query, status, says):
    assert says in see(f"/frames/?{query}", status).one("main").text


def test_the_form_keeps_what_was_chosen(night, see):
    form = see("/frames/?instrument=CCDCAM&raw_type=DARK&state=calibration&q=2026").one(
        "form", css="filters"
    )
    chosen = {one.text for one in form.all("option") if "selected" in one.attributes}
    assert chosen == {"CCDCAM", "DARK", "calibrations"}
    assert form.one("input", name="q").attributes["value"] == "2026"
    assert form.all("a", css="btn")[0].attributes["href"] == "/frames/"


def copies(frame, n):
    made = []
    for i in range(n):
        copy = RawFile.objects.get(pk=frame.pk)
        copy.pk, copy.header_digest, copy.name = None, f"{i:064d}", f"COPY{i:03d}.fits"
        copy.mjd_obs -= 100 + i
        made.append(copy)
    RawFile.objects.bulk_create(made)


def test_pages_of_a_hundred_the_newest_first_with_the_filter_kept(night, see):
    copies(some_frame(), 205)
    first = see("/frames/?q=copy")
    assert names_on(first)[0] == "COPY000.fits"
    assert len(names_on(first)) == 100
    assert "1–100 of 205" in first.text
    assert first.one("a", rel="next").attributes["href"] == "?q=copy&page=2"
    assert first.all("a", rel="prev") == []
    last = see("/frames/?q=copy&page=3")
    assert names_on(last) == [f"COPY{n:03d}.fits" for n in range(200, 205)]
    assert last.all("a", rel="next") == []
    assert names_on(see("/frames/?q=copy&page=9")) == names_on(last)


def test_the_browser_of_an_empty_system_says_how_it_fills(db, see):
    assert "manage.py ingest DIR" in see("/frames/").one(css="empty").text


# One frame --------------------------------------------------------------------------------


def page_of(see, frame):
    return see(f"/frames/{frame.pk}/")


def test_a_frame_says_what_it_is_and_lists_its_header(night, see):
    frame = some_frame(raw_type="BIAS", setup="SLOW_1x1")
    page = page_of(see, frame)
    facts = page.one("dl", css="facts-row").text
    for said in ["2026-03-02 09:00:04 UT", "Exposure 0 s", "Raw type BIAS", "SLOW_1x1"]:
        assert said in facts
    rows = {row.all("th")[0].text: row for row in page.one("table", data_rows="").all("tr")[1:]}
    assert rows["DET.READ.MODE"].all("td")[0].text == "SLOW"
    assert "det.read.mode slow" in rows["DET.READ.MODE"].attributes["data-text"]
    assert page.one(data_shown="").text == str(len(rows))
    assert page.one("img").attributes["src"] == f"/frames/{frame.pk}/look/1.png"
    assert "HDU 1, CHIP1" in page.text


def test_another_hdu_has_a_header_and_a_picture_of_its_own(night, see):
    frame = some_frame()
    page = see(f"/frames/{frame.pk}/?hdu=2")
    assert "cards of HDU 2, CHIP2" in page.text
    assert page.one("img").attributes["src"].endswith("/look/2.png")
    assert page.one("a", css="chip", aria_current="page").text == "2 CHIP2"


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("hdu=9", 404, "has 3 HDUs"),
        ("hdu=x", 400, "numbered from 0"),
        ("hdu=-1", 400, "numbered from 0"),
        ("hdu=", 400, "numbered from 0"),
        ("hdu=99999", 400, "numbered from 0"),
    ],
)
def test_a_wrong_hdu_is_refused(night, see, query, status, says):
    assert says in see(f"/frames/{some_frame().pk}/?{query}", status).one("main").text


@pytest.mark.parametrize("address", ["/frames/999999/", "/frames/99999999999999999999/"])
def test_a_frame_that_is_not_there_is_said_so(db, see, address):
    assert "Find it among the raw frames." in see(address, 404).one("main").text


def test_the_trace_has_the_lines_that_held_and_what_they_overwrote(night, see):
    frame = some_frame(raw_type="BIAS")
    [line] = frame.trace["fired"]
    over = [{"line": line, "keyword": "DPR.TYPE", "old": "BIAS", "new": "DARK"},
            {"line": line, "keyword": "DO.CATG", "old": "X", "new": None}]  # fmt: skip
    assigned = {**frame.trace["assigned"], "OBS.TARG.NAME": "ASSIGNED-SECRET"}
    change(frame, trace={**frame.trace, "overwritten": over, "assigned": assigned})
    trace = page_of(see, frame).one(id="trace")
    [row] = trace.one("tbody").all("tr")
    number, rule, overwritten = row.all("td")
    assert number.text == str(line)
    assert rule.text == frame.rule_set.text.splitlines()[line - 1].strip()
    assert "BIAS" in rule.text
    assert overwritten.text == "DPR.TYPE : BIAS → DARK DO.CATG : X → undefined"
    assert "RAW.TYPE = BIAS" in trace.text
    assert "rules version 1" in trace.text


def test_the_blocks_it_serves_are_linked_and_its_neighbours(night, see):
    frames = list(RawFile.objects.order_by("mjd_obs"))
    page = page_of(see, frames[1])
    block = frames[1].block_frames.get().block
    assert page.one(id="blocks").one("a").attributes["href"] == f"/blocks/{block.ab_name}/"
    assert page.one("a", data_before="").attributes["href"] == f"/frames/{frames[0].pk}/"
    assert page.one("a", data_after="").attributes["href"] == f"/frames/{frames[2].pk}/"
    assert page_of(see, frames[0]).all("a", data_before="") == []


def test_a_frame_gone_from_disk_shows_what_was_kept(night, see, tmp_path):
    frame = some_frame()
    elsewhere = Root.objects.create(
        name="elsewhere", path=str(tmp_path / "none"), recorded_at=timezone.now()
    )
    change(frame, gone_at=timezone.now(), root=elsewhere)
    page = page_of(see, frame)
    assert "manage.py relocate elsewhere DIR" in page.one(css="note-nok").text
    assert "These are the keywords that were kept." in page.one(css="note-warn").text
    assert "DET.READ.MODE" in page.one("table", data_rows="").text
    assert page.all("img") == []
    assert "not there to be drawn" in page.text


@pytest.mark.parametrize(
    ("fields", "says", "glyph"),
    [
        ({"problem": "truncated: 9 of 99 bytes"}, "Damaged: truncated: 9 of 99 bytes", "failed"),
        ({"raw_type": "", "trace": {}}, "No rule held.", "warn"),
        ({"pro_catg": "MASTER_BIAS", "raw_type": ""}, "master on disk", "ok"),
        ({"hidden_at": timezone.now(), "hidden_reason": "fog"}, "fog. It is used for", "rejected"),
        ({"exptime_s": None, "setup": "", "do_catg": ""}, "Exposure – s", "ok"),
    ],
    ids=["damaged", "unclassified", "master", "hidden", "unknown values"],
)
def test_a_state_is_said_with_shape_and_word(night, see, fields, says, glyph):
    frame = some_frame()
    change(frame, **fields)
    page = page_of(see, frame)
    assert says in page.one("main").text
    assert glyph in page.one(css="head-title").glyphs


def test_hostile_text_is_only_text(night, see):
    frame = some_frame()
    path = frame.full_path
    before = path.read_bytes()
    try:
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["OBJECT"] = (EVIL, "<img src=x>")
            hdus[1].header["EXTNAME"] = EVIL
        change(
            frame, name=EVIL, setup=EVIL, target=EVIL, program_id=EVIL, problem=EVIL,
            hidden_at=timezone.now(), hidden_reason=EVIL, dpr_type=EVIL,
            trace={"fired": [1], "assigned": {EVIL: EVIL},
                   "overwritten": [{"line": 1, "keyword": EVIL, "old": EVIL, "new": EVIL}]},
        )  # fmt: skip
        copies(frame, 1)
        RawFile.objects.filter(name="COPY000.fits").update(name=f"2{EVIL}")
        block = frame.block_frames.get().block
        pages = [page_of(see, frame), see("/frames/"), see(f"/frames/{frame.pk}/?hdu=1")]
        pages += [see(f"/blocks/{block.ab_name}/"), see("/search/?q=scr")]
    finally:
        path.write_bytes(before)
    for page in pages:
        assert EVIL in page.text.replace(" ", "")
        assert [one for one in page.all("script") if not one.attributes.get("src")] == []
    assert {one.attributes["src"] for one in pages[0].all("img")} <= {
        f"/frames/{frame.pk}/look/1.png"
    }


@pytest.mark.parametrize("n_axes", ["999999999", "'abc'", "-1", "1.5", "T", "12"])
def test_a_file_that_has_changed_into_nonsense_is_said_to_be_so(night, see, tmp_path, n_axes):
    frame = some_frame()
    cards = ["SIMPLE  = T", "BITPIX  = 16", f"NAXIS   = {n_axes}", "OBJECT  = 'x'", "END"]
    (tmp_path / "odd.fits").write_bytes(
        "".join(one.ljust(80) for one in cards).encode().ljust(5760)
    )
    root = Root.objects.create(name="odd", path=str(tmp_path), recorded_at=timezone.now())
    change(frame, root=root, path="odd.fits")
    started = time.monotonic()
    page = page_of(see, frame)
    assert "OBJECT" in page.one("table", data_rows="").text
    assert page.all("img") == []
    assert time.monotonic() - started < 5


# Hide and show ----------------------------------------------------------------------------


def posted(client, address, **form):
    return parse(client.post(address, form, follow=True))


def test_hidden_and_shown_again_with_words_both_times(night, client, quinn):
    client.force_login(quinn)
    frame = some_frame(raw_type="BIAS", setup="FAST_1x1")
    block = frame.block_frames.get().block
    page = posted(client, f"/frames/{frame.pk}/hide/", reason=" shutter stuck ")
    assert f"{frame.name} is hidden; 1 block organised anew." in page.one(css="note-ok").text
    assert "by quinn" in page.one(css="note-human").text
    assert "shutter stuck" in page.one(css="note-human").text
    assert frame.pk not in block.block_frames.values_list("raw_file", flat=True)
    again = posted(client, f"/frames/{frame.pk}/hide/", reason="twice")
    assert "is hidden already" in again.one(role="alert").text
    shown = posted(client, f"/frames/{frame.pk}/hide/", act="show")
    assert "is used again" in shown.one(css="note-ok").text
    assert AssociationBlock.objects.filter(block_frames__raw_file=frame).exists()
    assert (
        "not hidden"
        in posted(client, f"/frames/{frame.pk}/hide/", act="show").one(role="alert").text
    )


def test_hiding_needs_a_reason(night, client, quinn):
    client.force_login(quinn)
    frame = some_frame()
    for reason in ("", "   "):
        page = posted(client, f"/frames/{frame.pk}/hide/", reason=reason)
        assert "Say why" in page.one(role="alert").text
    frame.refresh_from_db()
    assert frame.hidden_at is None


def test_only_who_certifies_is_offered_to_hide(night, see, client, quinn):
    frame = some_frame()
    assert page_of(see, frame).all("form", action=f"/frames/{frame.pk}/hide/") == []
    client.force_login(quinn)
    page = parse(client.get(f"/frames/{frame.pk}/"))
    assert page.one("form", action=f"/frames/{frame.pk}/hide/").one("input", id="reason")


# Whose data ------------------------------------------------------------------------------


@pytest.fixture
def science(take, tmp_path, settings):
    """A proprietary science frame, and an installation where anybody may read."""
    settings.HCM_ANONYMOUS_READ = True
    settings.HCM_PROPRIETARY_DAYS = 365
    take(taken(tmp_path / "science", SCIENCE))
    frame = RawFile.objects.get(is_science=True)
    change(frame, program_id="114.B-0123(A)", target="NGC 253", ob_id="4711")
    line = frame.trace["fired"][0]
    over = [{"line": line, "keyword": "OBS.TARG.NAME", "old": "NGC 253", "new": "SECRET"}]
    assigned = {**frame.trace["assigned"], "OBS.TARG.NAME": "ASSIGNED-SECRET"}
    change(frame, trace={**frame.trace, "overwritten": over, "assigned": assigned})
    return frame


FOUND = "found by "
SECRETS = [
    "114.B-0123", "NGC 253", "OB 4711", "SECRET", "ASSIGNED-SECRET", "OBS.PROG.ID",
    *(FOUND + asked for asked in ("114.B", "NGC", "4711")),
]  # fmt: skip


def told(client, frame):
    """Return what the pages tell, and what the picture answers."""
    stem = frame.name.removesuffix(".fits")
    block = f"/nights/CCDCAM/{frame.night}/"
    addresses = [
        f"/frames/{frame.pk}/", f"/frames/{frame.pk}/?hdu=1", "/frames/", "/plan/CCDCAM/",
        "/plan/", f"{block}frames/", f"{block}cascade/", f"/search/?q={stem[:12]}",
    ]  # fmt: skip
    text = " ".join(client.get(address).content.decode() for address in addresses)
    for asked in ("114.B", "NGC", "4711"):
        answer = client.get("/search/", {"q": asked}, follow=True).content.decode()
        if frame.name in answer:
            text += FOUND + asked
    picture = client.get(f"/frames/{frame.pk}/look/1.png")
    return [one for one in SECRETS if one in text], picture.status_code


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"is_science": False, "raw_type": "", "pro_catg": "", "trace": {}},
        {"is_science": False, "raw_type": "BIAS"},
        {"is_science": False, "raw_type": "", "pro_catg": "SCIENCE_REDUCED", "dpr_catg": ""},
        {"is_science": False, "raw_type": "ACQUISITION", "dpr_catg": "ACQUISITION"},
        {"is_science": False, "raw_type": "FOCUS", "dpr_catg": "TECHNICAL"},
    ],
    ids=[
        "science",
        "science no rule classifies",
        "science taken for a bias",
        "science product",
        "acquisition",
        "technical",
    ],
)
def test_anybody_sees_neither_header_picture_programme_nor_target(science, client, fields):
    change(science, **fields)
    found, picture = told(client, science)
    assert (found, picture) == ([], 403)
    page = parse(client.get(f"/frames/{science.pk}/"))
    links = [one.attributes["href"] for one in page.one("main").all("a") if one.text == "Log in"]
    assert links == [f"/login/?next=/frames/{science.pk}/"] * 2


def test_who_logs_in_sees_them(science, client, vera):
    client.force_login(vera)
    found, picture = told(client, science)
    assert (set(found), picture) == (set(SECRETS), 200)


def test_everybody_sees_them_when_they_are_public(science, client, settings):
    settings.HCM_PROPRIETARY_DAYS = (timezone.now().date() - science.night).days - 1
    found, picture = told(client, science)
    assert (set(found), picture) == (set(SECRETS), 200)
    settings.HCM_PROPRIETARY_DAYS += 1
    assert told(client, science)[1] == 403


def test_where_files_lie_is_told_to_who_logs_in(science, client, vera, tmp_path):
    change(science, gone_at=timezone.now())
    address, path = f"/frames/{science.pk}/", str(science.root.path)
    note = parse(client.get(address)).one(css="note-nok").text
    assert "Gone from disk" in note
    assert path not in client.get(address).content.decode()
    client.force_login(vera)
    assert path in parse(client.get(address)).one(css="note-nok").text


def test_a_calibration_that_no_rule_classifies_is_open(science, client):
    change(science, is_science=False, raw_type="", dpr_catg="CALIB")
    assert told(client, science)[1] == 200


PRODUCT = {"is_science": False, "pro_catg": "MASTER_BIAS", "dpr_catg": ""}


@pytest.mark.parametrize(
    ("fields", "science_word", "is_open"),
    [
        (PRODUCT | {"program_id": ""}, None, True),
        (PRODUCT | {"program_id": "60.A-9022(C)"}, False, True),
        (PRODUCT | {"program_id": "60.A-9022(C)"}, True, False),
        (PRODUCT | {"program_id": "60.A-9022(C)"}, "T", False),
        (PRODUCT | {"program_id": "114.B-0123(A)"}, False, False),
        (PRODUCT | {"program_id": "", "dpr_catg": "SCIENCE"}, None, False),
        (PRODUCT | {"program_id": "", "is_science": True}, None, False),
        ({"is_science": False, "dpr_catg": "CALIB"}, None, True),
        ({"is_science": False, "dpr_catg": "CALIB"}, True, False),
        ({"is_science": True, "dpr_catg": "CALIB"}, None, False),
        ({"is_science": False, "dpr_catg": "", "program_id": ""}, None, False),
    ],
)
def test_only_what_is_known_to_be_a_calibration_is_open(science, fields, science_word, is_open):
    word = {} if science_word is None else {"PRO.SCIENCE": science_word}
    change(science, keywords={**science.keywords, **word}, **fields)
    at, anybody = timezone.now(), AnonymousUser()
    assert may_see_header(anybody, science, at) == is_open
    assert RawFile.objects.filter(visible_purpose(anybody, at)).exists() == is_open


def test_pages_and_search_agree_on_what_is_open(science):
    at, anybody = timezone.now(), AnonymousUser()
    programmes = ["", "60.A-9022(C)", "114.B-0123(A)", "160.A-1"]
    words = [{}, *({"PRO.SCIENCE": one} for one in (True, False, 0, 1, "T", "F", "true", ""))]
    catgs = ["", "CALIB", "SCIENCE", "ACQUISITION", "TECHNICAL"]
    cases = itertools.product([True, False], catgs, ["", "MASTER_BIAS"], programmes, words)
    copies = []
    for n, (is_science, dpr_catg, pro_catg, programme, word) in enumerate(cases):
        copy = RawFile.objects.get(pk=science.pk)
        copy.pk, copy.header_digest, copy.name = None, f"{n:064d}", f"{n}.fits"
        copy.is_science, copy.dpr_catg, copy.pro_catg = is_science, dpr_catg, pro_catg
        copy.program_id, copy.keywords = programme, word
        copies.append(copy)
    RawFile.objects.bulk_create(copies)
    found = set(RawFile.objects.filter(visible_purpose(anybody, at)).values_list("name", flat=True))
    assert found == {one.name for one in copies if may_see_header(anybody, one, at)}
    assert 0 < len(found) < len(copies)


# The picture ------------------------------------------------------------------------------


@pytest.fixture
def picture(db, instruments, client, vera, tmp_path):
    """Register a file as a frame, ask for a picture of it, and return the pixels or the words."""
    client.force_login(vera)
    root = Root.objects.create(name="looks", path=str(tmp_path), recorded_at=timezone.now())
    made = iter(range(1000))

    def asked(content, number=0, name="a.fits"):
        if isinstance(content, fits.HDUList):
            content.writeto(tmp_path / name, overwrite=True)
        else:
            (tmp_path / name).write_bytes(content)
        n = next(made)
        frame = RawFile.objects.create(
            instrument_id=1, name=name, root=root, path=name, size=n, header_digest=f"{n:064d}",
            night=NIGHT, mjd_obs=61101.4, raw_type="BIAS", recorded_at=timezone.now(),
            modified_ns=time.time_ns(),
        )  # fmt: skip
        answer = client.get(f"/frames/{frame.pk}/look/{number}.png")
        if answer.status_code != 200:
            return answer.status_code, parse(answer).one("main").text
        assert answer["Content-Type"] == "image/png"
        return np.asarray(Image.open(io.BytesIO(answer.content)))

    return asked


def primary(pixels):
    return fits.HDUList([fits.PrimaryHDU(pixels)])


def ramp(height=40, width=60):
    """Grow to the right, and more so upwards: the last row is the brightest."""
    y, x = np.mgrid[0:height, 0:width]
    return (10 * y + x).astype(np.float32)


def test_the_first_row_is_at_the_bottom_and_bright_is_white(picture):
    grey = picture(primary(ramp()))
    assert grey.shape == (40, 60)
    assert grey[0, -1] == 255
    assert grey[-1, 0] == 0
    assert grey[-1, 0] < grey[20, 30] < grey[0, -1]
    assert (np.diff(grey[20].astype(int)) >= 0).all()
    assert (np.diff(grey[:, 30].astype(int)) <= 0).all()


def test_a_large_image_is_averaged(picture):
    pixels = np.zeros((1300, 2000), np.int16)
    pixels[:650] = 100
    grey = picture(primary(pixels))
    assert grey.shape == (325, 500)
    assert (grey[200:].min(), grey[:100].max()) == (255, 0)


def test_of_a_cube_the_middle_plane_is_drawn(picture):
    cube = np.zeros((5, 40, 60), np.float32)
    cube[2] = ramp()
    assert (picture(primary(cube)) == picture(primary(ramp()))).all()


def test_pixels_without_a_value_are_black_and_do_not_disturb_the_rest(picture):
    pixels = ramp()
    pixels[5, 7], pixels[6, 7], pixels[7, 7] = np.nan, np.inf, -np.inf
    grey = picture(primary(pixels))
    whole = picture(primary(ramp()))
    assert [grey[-6, 7], grey[-7, 7], grey[-8, 7]] == [0, 255, 0]
    assert np.abs(grey.astype(int) - whole)[:30].max() <= 12


def test_a_constant_image_has_one_level(picture):
    assert len(np.unique(picture(primary(np.full((30, 30), 7, np.int16))))) == 1


def test_unsigned_pixels_are_in_order(picture):
    pixels = (ramp() * 100).astype(np.uint16)
    grey = picture(primary(pixels))
    assert (grey[0, -1], grey[-1, 0]) == (255, 0)


def test_compressed_files_look_as_they_are(picture, tmp_path):
    plain = picture(primary(ramp()))
    packed = gzip.compress((tmp_path / "a.fits").read_bytes())
    assert (picture(packed, name="b.fits.gz") == plain).all()
    tiled = fits.HDUList(
        [fits.PrimaryHDU(), fits.CompImageHDU(ramp(), compression_type="GZIP_1", quantize_level=0)]
    )
    assert (picture(tiled, 1, name="c.fits.fz") == plain).all()


TABLE = fits.HDUList(
    [fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])])]
)


@pytest.mark.parametrize(
    ("content", "number", "says"),
    [
        (TABLE, 0, "This HDU holds no image."),
        (TABLE, 1, "This HDU holds no image."),
        (TABLE, 2, "It has no HDU 2."),
        (TABLE, 10**40, "It has no HDU"),
        (primary(np.full((4, 4), np.nan, np.float32)), 0, "No pixel has a value."),
        (primary(np.arange(9, dtype=np.int16)), 0, "This HDU holds no image."),
        (b"no FITS file at all", 0, "The pixels cannot be read"),
        (b"", 0, "The pixels cannot be read"),
    ],
    ids=["no data", "table", "none", "none by far", "NaN", "one axis", "text", "empty"],
)
def test_what_cannot_be_drawn_is_said(picture, content, number, says):
    status, text = picture(content, number)
    assert status == 404
    assert says in text


def header_of(*axes):
    cards = {"SIMPLE": "T", "BITPIX": 16, "NAXIS": len(axes)}
    cards |= {f"NAXIS{n}": size for n, size in enumerate(axes, 1)}
    text = "".join(f"{key:<8}= {value:>20}".ljust(80) for key, value in cards.items())
    return (text + "END".ljust(80)).ljust(2880).encode()


@pytest.mark.parametrize(
    "axes",
    [(2 * 10**9, 2 * 10**9), (640, 10**12), (10**12, 1), (1, 10**9), (100, 100), (10**6, 640)],
    ids=str,
)
def test_a_header_that_promises_more_than_there_is_costs_nothing(picture, axes):
    started = time.monotonic()
    status, text = picture(header_of(*axes) + bytes(2880))
    assert status == 404
    assert "cut off or damaged" in text or "too large" in text
    assert time.monotonic() - started < 5


def test_a_row_that_is_really_that_long_is_refused_before_it_is_read(picture, client, tmp_path):
    picture(header_of(10**9, 1), name="long.fits")
    with (tmp_path / "long.fits").open("r+b") as file:
        file.truncate(2880 + 2 * 10**9 + 2880)  # a hole: takes no room on disk
    answer = client.get(f"/frames/{RawFile.objects.get().pk}/look/0.png")
    assert answer.status_code == 404
    assert "The image is too large to be drawn." in parse(answer).one("main").text


def test_the_second_time_the_kept_file_is_sent(picture, client, settings):
    first = picture(primary(ramp()))
    frame = RawFile.objects.get()
    [kept] = (settings.HCM_DATA_DIR / "looks").glob(f"{frame.pk}-0-*.png")
    image = io.BytesIO()
    Image.fromarray(255 - first).save(image, "PNG")
    kept.write_bytes(image.getvalue())
    again = client.get(f"/frames/{frame.pk}/look/0.png")
    assert again.content == image.getvalue()
    assert again["Cache-Control"] == "private, max-age=3600"
    change(frame, modified_ns=frame.modified_ns + 1)
    drawn = client.get(f"/frames/{frame.pk}/look/0.png").content
    assert (np.asarray(Image.open(io.BytesIO(drawn))) == first).all()
    assert not kept.exists()


def test_hiding_and_showing_leave_a_trace_on_the_frame_and_its_night(client, night, quinn):
    frame = night["green"].block_frames.first().raw_file
    client.force_login(quinn)
    client.post(f"/frames/{frame.pk}/hide/", {"reason": "satellite"})
    client.post(f"/frames/{frame.pk}/hide/", {"act": "show"})
    log = parse(client.get(f"/frames/{frame.pk}/")).all("ul", css="log")[-2].text
    assert "frame shown again" in log
    assert "frame hidden : satellite quinn" in log
    closing = parse(client.get(f"/nights/CCDCAM/{frame.night}/close/"))
    assert frame.name in closing.all("ul", css="log")[-1].text
