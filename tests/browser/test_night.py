"""The night in a browser: columns and search without a script, refresh that stops, an export from disk."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.test_look import SERIOUS, TOO_WIDE

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]


def test_columns_are_chosen_and_stay_with_the_words_that_were_typed(visit, observatory):
    page = visit().open(observatory.night)
    page.get_by_label("Search blocks").fill("bias")
    page.wait_for_url(re.compile("q=bias"))
    page.locator("summary", has_text="Columns").click()
    for name in ("Recipe", "PLOG", "BQS"):
        page.get_by_role("checkbox", name=name).uncheck()
    page.get_by_role("button", name="Show these").click()
    page.wait_for_url(re.compile("columns=index,ab_name,"))
    assert "q=bias" in page.url
    expect(page.locator("th.c-plog")).to_have_count(0)
    expect(page.get_by_label("Search blocks")).to_have_value("bias")
    page.get_by_role("link", name="Raw type").click()
    page.wait_for_url(re.compile("sort=raw_type"))
    assert "q=bias" in page.url
    assert set(page.locator("tr[data-row]:visible .c-type").all_inner_texts()) == {"BIAS"}


def test_without_a_script_search_and_columns_work(browser, observatory):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(observatory.base + observatory.night)
    page.get_by_label("Search blocks").fill("dark")
    page.get_by_label("Search blocks").press("Enter")
    page.wait_for_url(re.compile("q=dark"))
    expect(page.locator("tr[data-row]:visible")).to_have_count(1)
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="Recipe").uncheck()
    page.get_by_role("button", name="Show these").click()
    page.wait_for_url(re.compile("columns=index,ab_name,"))
    expect(page.locator("tr[data-row]:visible")).to_have_count(1)
    context.close()


def test_enter_opens_the_row_and_leaves_links_alone(visit, observatory):
    page = visit().open(observatory.night)
    page.keyboard.press("j")
    address = page.locator("tr.is-here a[data-open]").get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(address)))


def test_a_refresh_that_is_stopped_stays_stopped_in_its_tab(visit, observatory):
    first = visit()
    page = first.open(observatory.night)
    page.get_by_role("button", name="Pause").click()
    page.reload()
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    other = first.context.new_page()
    other.goto(first.base + observatory.night)
    expect(other.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Live").click()
    page.reload()
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("kind", ["no answer", "an error", "another page"])
def test_a_server_that_does_not_answer_makes_the_page_stale_at_once(visit, observatory, kind):
    visitor = visit()
    page = visitor.open(observatory.night)
    answers = {
        "no answer": lambda route: route.abort(),
        "an error": lambda route: route.fulfill(status=502, body="gateway"),
        "another page": lambda route: route.fulfill(status=200, body="<p>Log in</p>"),
    }
    page.route("**/nights/**", answers[kind])
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".fresh.is-stale").wait_for()
    expect(page.get_by_text("the server does not answer")).to_be_visible()
    expect(page.locator("table.nights")).to_be_visible()
    page.unroute("**/nights/**")
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".fresh.is-stale")).to_have_count(0)
    visitor.complaints.clear()  # a browser complains of each of these answers


def test_an_export_is_read_from_disk(visit, browser, observatory, tmp_path):
    night = observatory.nights[-1]
    observatory.site.run("export_night", "CCDCAM", night, "--to", str(tmp_path / "out"))
    for width in (1440, 360):
        context = browser.new_context(viewport={"width": width, "height": 800})
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda one, said=said: said.append(one.text))
        page.goto(f"file://{tmp_path}/out/index.html")
        expect(page.get_by_text(re.compile("exported at .* UT from"))).to_be_visible()
        assert (
            page.evaluate("() => getComputedStyle(document.querySelector('.topbar')).display")
            == "flex"
        )
        assert page.evaluate(TOO_WIDE) == []
        found = [
            one["id"] for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS
        ]
        assert found == []
        said.clear()  # axe reads the styles again, which the policy of the pages does not let it
        page.locator("tr[data-row].is-nok a").first.click()
        page.wait_for_url(re.compile("/out/blocks/"))
        expect(page.get_by_role("heading", name="Score report")).to_be_visible()
        assert page.evaluate(TOO_WIDE) == []
        page.get_by_role("link", name="Calendar").click()
        page.wait_for_url(re.compile("/out/calendar.html"))
        expect(page.locator(".day-red")).not_to_have_count(0)
        assert page.evaluate(TOO_WIDE) == []
        page.get_by_role("link", name="Night", exact=True).click()
        page.wait_for_url(re.compile("/out/index.html"))
        assert said == []
        context.close()


def test_a_report_is_black_on_white_on_paper(visit, observatory):
    page = visit(theme="dark").open(f"{observatory.night}report/")
    page.emulate_media(media="print")
    for hidden in (".topbar", ".links", ".crumbs"):
        assert not page.locator(hidden).first.is_visible(), hidden
    colours = "() => [document.body, document.querySelector('.panel'), document.querySelector('td')].map((one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor])"
    for ink, ground in page.evaluate(colours):
        assert ink == "rgb(0, 0, 0)"
        assert ground in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}
    assert len(page.pdf(prefer_css_page_size=True)) > 10_000
