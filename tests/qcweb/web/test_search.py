"""One search over everything that has a name: alone it opens, and nobody finds what is not theirs."""

import pytest

from pipelines.models import AssociationBlock, Instrument, Product, RawFile
from tests.qcweb.web.html import parse

FRAME = "CCDCAM.2026-03-02T09:00:04.217.fits"


@pytest.fixture
def found(client, vera):
    """Search as a reader: where it leads, or None for a list."""
    client.force_login(vera)

    def asked(text):
        answer = client.get("/search/", {"q": text})
        assert answer.status_code in {200, 302}, answer.status_code
        return answer.headers.get("Location")

    return asked


def search(see, text):
    return see(f"/search/?q={text}")


def kinds(page):
    """Return what is listed: by kind, the names."""
    return {
        panel.one("h2").text: [row.all("th")[0].text for row in panel.one("tbody").all("tr")]
        for panel in page.one("main").all("section", css="panel")
        if panel.all("tbody")
    }


def test_an_exact_name_wins_over_everything_that_holds_it(night, found):
    frame = RawFile.objects.get(name=FRAME)
    longer = RawFile.objects.exclude(pk=frame.pk).first()
    RawFile.objects.filter(pk=longer.pk).update(name=f"x{FRAME}")
    stem = FRAME.removesuffix(".fits")
    assert found(FRAME) == f"/frames/{frame.pk}/"
    assert found(stem) == f"/frames/{frame.pk}/"
    assert found(f"  {stem} ") == f"/frames/{frame.pk}/"
    name = night["red"].ab_name
    assert found(name) == found(name.removesuffix(".ab")) == f"/blocks/{name}/"


def test_what_is_found_alone_is_opened(night, found):
    frame = RawFile.objects.get(name=FRAME)
    RawFile.objects.filter(pk=frame.pk).update(name="ODD-ONE.fits", target="odd-one")
    assert found("odd-on") == f"/frames/{frame.pk}/"
    product = Product.objects.select_related("attempt__block").first()
    Product.objects.filter(pk=product.pk).update(name="SINGULAR.fits")
    assert found("singul") == f"/blocks/{product.attempt.block.ab_name}/#products"


def test_two_frames_of_one_name_are_listed(night, see):
    RawFile.objects.filter(setup="FAST_1x1").update(name="TWICE.fits")
    assert kinds(search(see, "TWICE.fits")) == {"Frames by name": ["TWICE.fits"] * 3}


@pytest.mark.parametrize(
    ("text", "kind", "n"),
    [
        ("09:20", "Blocks by name", 1),
        ("2026-03-02t09", "Blocks by name", 3),
        ("slow", "Blocks by setup, raw type or recipe", 2),
        ("dark", "Blocks by setup, raw type or recipe", 1),
        ("hcm_bias", "Blocks by setup, raw type or recipe", 2),
        ("master_bias", "Products", 2),
        ("2026-03-02t09", "Frames by name", 9),
        ("60.a-9999", "Frames by programme, observation block or target", 9),
        ("calib", "Frames by programme, observation block or target", 9),
    ],
)
def test_it_finds_by_part_of_a_name_in_any_case(night, see, text, kind, n):
    assert len(kinds(search(see, text))[kind]) == n


@pytest.mark.parametrize(
    ("text", "kind", "n"),
    [
        ("bias slow", "Blocks by setup, raw type or recipe", 1),
        ("SLOW  bias", "Blocks by setup, raw type or recipe", 1),
        ("09:20 dark ccdcam", "Blocks by setup, raw type or recipe", 1),
        ("ccdcam 09:20", "Blocks by name", 1),
        ("hcm_bias fast", "Blocks by setup, raw type or recipe", 1),
        ("bias 2026-03-01", "Blocks by setup, raw type or recipe", 2),
        ("bias slow", "Frames by setup or raw type", 3),
        ("09:05 bias", "Frames by setup or raw type", 3),
        ("dark", "Frames by setup or raw type", 3),
        ("ccdcam 09:05", "Frames by name", 3),
    ],
)
def test_several_words_are_found_each_in_any_field(night, client, vera, text, kind, n):
    client.force_login(vera)
    answer = client.get("/search/", {"q": text})
    if answer.status_code == 302:
        # Found alone.
        assert (n, answer.headers["Location"][:8]) == (1, "/blocks/")
    else:
        assert len(kinds(parse(answer))[kind]) == n


@pytest.mark.parametrize("text", ["bias nowhere", "dark fast", "bias 2026-03-04", "% bias"])
def test_every_word_must_be_found(night, see, text):
    assert kinds(search(see, text.replace("%", "%25"))) == {}


def test_a_date_finds_its_nights(night, see, found):
    assert found("2026-03-01") == "/nights/CCDCAM/2026-03-01/"
    frame = RawFile.objects.get(name=FRAME)
    frame.pk, frame.header_digest, frame.name = None, "f" * 64, "UVES.fits"
    frame.instrument = Instrument.objects.get(name="UVES")
    frame.save()
    page = search(see, "2026-03-01")
    assert kinds(page) == {"Nights": ["CCDCAM 2026-03-01", "UVES 2026-03-01"]}
    links = {one.attributes["href"] for one in page.one("main").one("tbody").all("a")}
    assert links == {"/nights/CCDCAM/2026-03-01/", "/nights/UVES/2026-03-01/"}


@pytest.mark.parametrize("text", ["2026-03-31", "2026-02-30", "0001-01-01", "20260301"])
def test_what_is_no_night_finds_none(night, see, text):
    assert "Nights" not in kinds(search(see, text))


def test_an_observation_block_is_found_by_its_whole_number(night, see):
    ob_id = RawFile.objects.get(name=FRAME).ob_id
    kind = "Frames by programme, observation block or target"
    assert len(kinds(search(see, ob_id))[kind]) == 3
    assert kind not in kinds(search(see, ob_id[:-1]))


@pytest.mark.parametrize(
    "text", ["%25", "_x_", "%25%25", "C_DCAM", "\\", "'", '"', "* OR 1=1", "%5B"]
)
def test_wildcards_and_quotes_are_only_letters(night, see, text):
    assert kinds(search(see, text)) == {}
    assert "Nothing is called" in search(see, text).one(css="empty").text


def test_an_underscore_is_an_underscore(night, see):
    assert len(kinds(search(see, "low_1"))["Blocks by setup, raw type or recipe"]) == 2


def test_too_many_say_so(night, see):
    frame = RawFile.objects.get(name=FRAME)
    more = []
    for n in range(30):
        copy = RawFile.objects.get(pk=frame.pk)
        copy.pk, copy.header_digest, copy.name = None, f"{n:064d}", f"MANY{n:02d}.fits"
        more.append(copy)
    RawFile.objects.bulk_create(more)
    page = search(see, "many")
    assert len(kinds(page)["Frames by name"]) == 25
    assert "25 or more: say more of the name" in page.text
    assert "or more" not in search(see, "many0").text


def test_a_query_that_asks_nothing_says_what_can_be_asked(night, see):
    for address in ("/search/", "/search/?q=", "/search/?q=%20%20"):
        page = see(address)
        assert "What are you looking for?" in page.one(css="empty").text
    assert page.one("main").one("input").attributes["name"] == "q"


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "q=%ff"])
def test_bytes_that_are_no_text_are_refused(night, see, query):
    assert "UTF-8, without NUL" in see(f"/search/?{query}", 400).one("main").text


@pytest.mark.parametrize("text", ["x" * 10_000, "a b " * 100, "é" * 300, "\u202e", "😀", "\n"])
def test_odd_text_finds_nothing_and_breaks_nothing(night, client, vera, text):
    client.force_login(vera)
    assert client.get("/search/", {"q": text}).status_code == 200


def test_what_was_asked_is_only_text(night, see):
    page = search(see, "<script>alert(1)</script>")
    assert "“<script>alert(1)</script>”" in page.one(css="empty").one("h2").text
    assert [one for one in page.all("script") if not one.attributes.get("src")] == []


def test_the_bar_of_every_page_searches(night, see):
    for address in ("/", "/nights/", f"/blocks/{night['red'].ab_name}/", "/plan/"):
        form = see(address).one("form", css="find")
        assert (form.attributes["action"], form.attributes["method"]) == ("/search/", "get")
        assert form.one("input", name="q").attributes["type"] == "search"


def test_somebody_who_may_not_read_is_asked_to_log_in(night, client):
    assert client.get("/search/?q=bias").headers["Location"] == "/login/?next=/search/%3Fq%3Dbias"


def test_a_block_that_is_gone_is_not_found(night, found):
    name = night["dark"].ab_name
    AssociationBlock.objects.filter(ab_name=name).update(ab_name="OTHER_tpl.ab", setup="")
    assert found(name) is None
    assert found("other_t") == "/blocks/OTHER_tpl.ab/"
