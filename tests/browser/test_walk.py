"""A scientist's morning: from the red cell to the decision, by keyboard, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import templates_of
from tests.frames import FLAT, later

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]

# Where a plotted point of a score lies on the screen.
PLACE = """(chart, word) => {
  for (const trace of chart.data) {
    const n = (trace.customdata || []).findIndex((one) => one[1] === word);
    if (n < 0) continue;
    const { xaxis, yaxis } = chart._fullLayout;
    const box = chart.querySelector(".nsewdrag").getBoundingClientRect();
    return [box.left + xaxis.d2p(trace.x[n]), box.top + yaxis.d2p(trace.y[n])];
  }
}"""


def click_point(page, chart, word):
    chart.scroll_into_view_if_needed()
    x, y = chart.evaluate(PLACE, word)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y, steps=4)
    page.locator(".hoverlayer .hovertext").first.wait_for()
    page.mouse.click(x, y)


def test_from_the_red_cell_to_an_accepted_block(visit, observatory):
    quinn = visit()
    page = quinn.open("/")
    expect(page).to_have_title(re.compile(r"^\d+ NOK, Health Check Monitor"))
    page.locator("a.cell-nok", has_text="NOK").first.click()
    page.wait_for_url(re.compile("/reports/CCDCAM/read_noise/"))
    quinn.wait_for_plots()
    panel = page.locator("section.panel", has=page.locator(".st-fill.st-nok"))
    expect(panel).to_have_count(1)
    chart = panel.locator(".chart")
    assert int(chart.get_attribute("data-drawn")) == 2

    click_point(page, chart, "NOK")
    page.wait_for_url(re.compile(re.escape(observatory.block("red"))))
    expect(page.get_by_role("heading", name="Why is it red?")).to_be_visible()

    page.locator("#certify").get_by_role("link", name="Log in").click()
    quinn.log_in("quinn", "quinn-certifies")
    page.wait_for_url(re.compile(re.escape(observatory.block("red"))))
    page.keyboard.press("a")
    expect(page.get_by_role("radio", name="Accept")).to_be_checked()
    page.keyboard.press("c")
    expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    page.keyboard.type("a true state: the amplifier was warm")
    page.keyboard.press("Control+Enter")

    expect(page.locator(".note-ok")).to_contain_text("accepted")
    page.goto(quinn.base + observatory.block("red"))
    expect(page.locator("#history")).to_contain_text("the amplifier was warm")
    expect(page.locator("#certify .st-accepted")).to_have_text("accepted")
    page.keyboard.press("l")
    page.wait_for_url(re.compile(re.escape(observatory.night)))
    row = page.locator("tr[data-row]", has=page.locator(f'a[href="{observatory.block("red")}"]'))
    expect(row.locator(".c-cert")).to_contain_text("accepted a true state")
    expect(row.locator(".c-score")).to_contain_text("NOK")
    page.goto(f"{quinn.base}/reports/CCDCAM/read_noise/")
    quinn.wait_for_plots()
    assert chart.evaluate(PLACE, "NOK") is not None

    page.goto(quinn.base + observatory.block("red"))
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator(".note-ok")).to_contain_text("taken back")


def test_a_conflict_in_the_browser_keeps_what_was_typed(visit, observatory):
    first, second = visit(), visit()
    for one in (first, second):
        one.open(f"/login/?next={observatory.block('degraded')}")
        one.log_in("quinn", "quinn-certifies")
        one.page.get_by_role("radio", name="Accept").check()
        one.page.get_by_label("Comment", exact=True).fill(f"seen by {id(one)}")
    first.page.get_by_role("button", name="Write the decision").click()
    expect(first.page.locator(".note-ok")).to_contain_text("accepted")
    second.page.get_by_role("button", name="Write the decision").click()
    expect(second.page.get_by_role("alert")).to_contain_text("quinn has written “accepted”")
    expect(second.page.get_by_label("Comment", exact=True)).to_have_value(f"seen by {id(second)}")


def test_the_keys_of_the_night(visit, observatory):
    page = visit().open(observatory.night)
    here = page.locator("tr.is-here th")
    all_rows = page.locator("tr[data-row]")
    first, second = (all_rows.nth(n).locator("th").inner_text() for n in (0, 1))
    page.keyboard.press("j")
    expect(here).to_have_text(first)
    page.keyboard.press("j")
    expect(here).to_have_text(second)
    page.keyboard.press("k")
    expect(here).to_have_text(first)
    page.keyboard.press("G")
    expect(here).to_have_text(all_rows.last.locator("th").inner_text())
    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page.locator("tr.is-here[data-todo]")).to_have_count(1)
    page.keyboard.press("/")
    search = page.get_by_label("Search blocks")
    expect(search).to_be_focused()
    page.keyboard.type("dark jn")
    expect(page.locator("[data-shown]")).to_have_text("0")
    expect(page.locator("[data-none]")).to_be_visible()
    search.fill("dark")
    expect(page.locator("tr[data-row]:visible")).to_have_count(1)
    page.wait_for_url(re.compile("q=dark"))
    page.keyboard.press("Escape")
    expect(search).not_to_be_focused()
    expect(search).to_have_value("dark")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of this page")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url(re.compile(re.escape(observatory.block("dark"))))
    page.goto(page.url.split("/blocks/")[0] + observatory.night)
    page.keyboard.press("[")
    page.wait_for_url(re.compile(observatory.nights[0]))
    page.keyboard.press("]")
    page.wait_for_url(re.compile(observatory.nights[1]))


# Every key that the list of keys names does something on that page.
@pytest.mark.parametrize(
    "where", ["/", "night", "red", "frame", "/worklist/", "/reports/", "/qc1/", "/frames/"]
)
def test_the_list_of_keys_names_only_keys_that_work(visit, observatory, where):
    addresses = {
        "night": observatory.night, "red": observatory.block("red"),
        "frame": observatory.frame("FLAT"),
    }  # fmt: skip
    address = addresses.get(where, where)
    quinn = visit()
    page = quinn.open(f"/login/?next={address}")
    quinn.log_in("quinn", "quinn-certifies")
    page.wait_for_load_state("load")
    page.keyboard.press("?")
    listed = page.get_by_role("dialog").locator("kbd").all_inner_texts()
    page.keyboard.press("Escape")
    prevented = """(key) => {
      const event = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true});
      let acts = false;
      event.preventDefault = () => { acts = true; };
      document.body.dispatchEvent(event);
      return acts || event.defaultPrevented;
    }"""
    silent = [
        key
        for key in dict.fromkeys(listed)
        if key not in {"Esc", "Ctrl", "Enter", "?", "w", "[", "]", "j", "k", "l", "o", "u", "x"}
        and not page.evaluate(prevented, key)
    ]
    assert silent == []
    expected = {
        "/": {"w", "/", "?", "Esc"},
        "/reports/": {"/", "?", "Esc"},
        "/qc1/": {"/", "?", "Esc"},
        "/frames/": {"/", "?", "Esc"},
        "frame": {"j", "k", "g", "G", "/", "[", "]", "l", "?", "Esc"},
        "/worklist/": {"j", "k", "g", "G", "n", "o", "Enter", "x", "u", "/", "?", "Esc"},
        "night": {"j", "k", "g", "G", "n", "o", "Enter", "/", "[", "]", "l", "?", "Esc"},
        "red": {"j", "k", "l", "a", "r", "c", "u", "Ctrl", "Enter", "/", "?", "Esc"},
    }
    assert set(listed) == expected[where]


def test_from_the_search_to_a_frame_its_trace_its_block_and_the_cascade(visit, observatory):
    page = visit().open("/")
    name = observatory.blocks["dark"].removesuffix("_tpl.ab")
    page.keyboard.press("/")
    expect(page.get_by_label("Find a frame, block, product, programme")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{name}.fits")
    expect(page.locator("#trace")).to_contain_text('DPR.TYPE=="DARK"')
    expect(page.locator("#trace")).to_contain_text("RAW.TYPE = DARK")
    picture = page.locator(".look img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("(img) => img.naturalWidth") > 100

    page.keyboard.press("/")
    expect(page.get_by_label("Search the header")).to_be_focused()
    page.keyboard.type("det read")
    expect(page.locator("#header tr[data-row]:visible")).to_have_count(1)
    expect(page.locator("#header [data-shown]")).to_have_text("1")
    page.get_by_label("Search the header").fill("no such card")
    expect(page.locator("#header [data-none]")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#header [data-none]")).not_to_be_visible()

    page.locator("#blocks").get_by_role("link", name=observatory.blocks["dark"]).click()
    page.wait_for_url(re.compile(re.escape(observatory.block("dark"))))
    page.get_by_role("link", name="Why these?").click()
    expect(page.get_by_role("heading", name="MASTER_BIAS")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text("taken")
    page.get_by_role("link", name="Cascade of the night").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cascade of the night")
    node = page.locator(f'a.node[href="{observatory.block("dark")}"]')
    expect(node).to_contain_text("DARK")
    node.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(observatory.block("dark"))))


def test_a_search_without_an_answer_and_with_several(visit, observatory):
    page = visit().open("/search/")
    box = page.get_by_label("What to find")
    expect(box).to_be_focused()
    page.keyboard.type("no such thing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing is called “no such thing”")).to_be_visible()
    box.fill("bias")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Blocks by setup, raw type or recipe")).to_be_visible()
    expect(page.locator("tbody tr").nth(1)).to_contain_text("BIAS")


def test_a_frame_is_hidden_and_shown_again(visit, observatory):
    quinn = visit()
    page = quinn.open(f"/login/?next={observatory.frame('SCIENCE')}")
    quinn.log_in("quinn", "quinn-certifies")
    page.get_by_label("Reason").fill("clouds")
    page.get_by_role("button", name="Hide the frame").click()
    expect(page.locator(".note-ok")).to_contain_text("is hidden")
    expect(page.locator(".note-human")).to_contain_text("clouds")
    expect(page.locator(".head-title .st-rejected")).to_have_text("hidden")
    page.get_by_role("button", name="Show the frame").click()
    expect(page.locator(".note-ok")).to_contain_text("is used again")
    expect(page.get_by_label("Reason")).to_be_visible()


def test_a_night_is_closed_and_opened_again(visit, observatory):
    quinn = visit()
    page = quinn.open(f"/login/?next={observatory.night}")
    quinn.log_in("quinn", "quinn-certifies")
    page.get_by_role("link", name="Close the night").click()
    expect(page.get_by_role("heading", name="What is left")).to_be_visible()
    page.get_by_label("Comment", exact=True).fill("all known")
    page.get_by_role("button", name="Close it all the same").click()
    expect(page.locator(".note-ok")).to_contain_text("is closed")
    expect(page.locator(".head .st-accepted")).to_have_text("closed")
    page.get_by_role("link", name="Reopen").click()
    expect(page.locator(".log")).to_contain_text("all known")
    page.get_by_role("button", name="Open it again").click()
    expect(page.locator(".note-ok")).to_contain_text("is open again")
    expect(page.locator(".head .st-accepted")).to_have_count(0)


def test_a_live_refresh_loses_nothing_and_can_be_held(visit, observatory, tmp_path):
    quinn = visit()
    page = quinn.open(observatory.night)
    page.keyboard.press("/")
    page.keyboard.type("bias")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    here = page.locator("tr.is-here").get_attribute("id")
    n_rows = page.locator("tr[data-row]").count()
    refresh = "() => window.htmx.trigger(document.querySelector('[data-live-part]'), 'live')"
    with page.expect_response(lambda answer: observatory.night in answer.url) as first:
        page.evaluate(refresh)
    assert first.value.status == 200
    page.wait_for_timeout(200)
    with page.expect_response(lambda answer: observatory.night in answer.url) as second:
        page.evaluate(refresh)
    assert second.value.status == 304

    page.get_by_role("button", name="Pause").click()
    observatory.add(tmp_path / "more", templates_of(1)(later(FLAT, 70 / 1440)))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)
    assert asked == []
    with page.expect_response(lambda answer: observatory.night in answer.url) as third:
        page.get_by_role("button", name="Live").click()
    assert third.value.status == 200
    expect(page.locator("tr[data-row]")).to_have_count(n_rows + 1)
    expect(page.get_by_label("Search blocks")).to_have_value("bias")
    assert page.locator("tr.is-here").get_attribute("id") == here
    shown = page.locator("tr[data-row]:visible .c-type").all_inner_texts()
    assert set(shown) == {"BIAS"}


def test_a_zoom_survives_a_change_of_theme(visit):
    quinn = visit()
    page = quinn.open("/reports/CCDCAM/read_noise/")
    quinn.wait_for_plots()
    chart = page.locator(".chart").first
    before = chart.evaluate("(el) => el._fullLayout.yaxis.range")
    box = chart.locator(".nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 120, steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    zoomed = chart.evaluate("(el) => el._fullLayout.yaxis.range")
    assert zoomed != before
    colour = chart.evaluate("(el) => el._fullLayout.plot_bgcolor")
    for _ in range(2):
        page.get_by_role("button", name="Change the theme").click()
    assert chart.evaluate("(el) => el._fullLayout.plot_bgcolor") != colour
    assert chart.evaluate("(el) => el._fullLayout.yaxis.range") == zoomed


def test_a_token_is_made_copied_used_and_taken_back(visit, observatory):
    quinn = visit()
    quinn.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = quinn.open("/login/?next=/tokens/")
    quinn.log_in("quinn", "quinn-certifies")
    page.get_by_label("What is it for?").fill("dashboard")
    page.get_by_role("checkbox", name="CCDCAM").check()
    page.get_by_role("button", name="Make a token").click()
    secret = page.locator("#secret").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == secret
    assert secret not in page.url

    ask = visit().context.request
    sent = {"Authorization": f"Bearer {secret}"}
    address = f"{observatory.base}/api/v1/qc1/tables/"
    assert ask.get(address, headers=sent).status == 200
    quinn.open("/tokens/")
    row = page.get_by_role("row").filter(has_text="dashboard")
    expect(row).to_contain_text("from 127.0.0.1")
    row.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    refused = ask.get(address, headers=sent)
    assert refused.status == 401
    assert "by quinn" in refused.json()["detail"]
