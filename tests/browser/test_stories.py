"""Whole stories of a scientist's day: by keyboard alone, on a phone, and without a script."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]
WAITING = "table[data-rows] tr[data-row]"


def scientist(visit, **size):
    quinn = visit(**size)
    quinn.open("/login/?next=/worklist/")
    quinn.log_in("quinn", "quinn-certifies")
    expect(quinn.page.locator(WAITING).first).to_be_visible()
    return quinn


def test_one_block_after_the_other_is_decided_by_keyboard_and_the_last_is_undone(
    visit, observatory
):
    page = scientist(visit).page
    n = page.locator(WAITING).count()
    page.keyboard.press("j")
    expect(page.locator("tr.is-here th")).to_have_text("red")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(observatory.block("red"))))
    page.keyboard.press("a")
    expect(page.get_by_role("radio", name="Accept")).to_be_checked()
    expect(page.get_by_text("BADQUAL: to be taken again")).to_be_hidden()
    page.keyboard.press("c")
    page.keyboard.type("the amplifier was warm")
    page.keyboard.press("Control+Enter")
    # The next one is open, and says what was done.
    expect(page.locator(".note-ok")).to_contain_text("accepted")
    expect(page).not_to_have_url(re.compile(re.escape(observatory.block("red"))))
    expect(page.locator("[data-undo]")).to_be_visible()
    page.keyboard.press("u")
    page.wait_for_url(re.compile(re.escape(observatory.block("red"))))
    expect(page.locator(".note-ok")).to_contain_text("taken back")
    page.goto(f"{observatory.base}/worklist/")
    expect(page.locator(WAITING)).to_have_count(n)


def test_several_are_chosen_previewed_accepted_and_taken_back_by_keyboard(visit, observatory):
    page = scientist(visit).page
    n = page.locator(WAITING).count()
    for _ in range(n):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.locator("[data-chosen]")).to_have_text(str(n))
    page.get_by_role("button", name="Accept…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What would change")).to_be_visible()
    expect(page.locator("tbody")).to_contain_text("no product to accept")
    changing = page.locator("input[name=ab]:checked").count()
    assert 0 < changing < n
    page.get_by_label("Comment", exact=True).fill("seen together")
    page.get_by_role("button", name=f"Write {changing}").click()
    expect(page.locator(".note-ok")).to_contain_text(re.compile(f"{changing} blocks?: accepted"))
    expect(page.locator(WAITING)).to_have_count(n - changing)
    page.keyboard.press("u")
    expect(page.locator(".note-ok")).to_contain_text("Taken back")
    expect(page.locator(WAITING)).to_have_count(n)


def test_a_rejected_bias_shows_the_dark_that_used_it_and_both_come_back(visit, observatory):
    page = scientist(visit).page
    page.goto(observatory.base + observatory.block("dark"))
    bias = page.locator("#inputs tbody a[href^='/blocks/']").first.get_attribute("href")
    page.goto(observatory.base + bias)
    page.keyboard.press("r")
    expect(page.get_by_text("BADQUAL: to be taken again")).to_be_visible()
    expect(page.get_by_text("Nobody picks them up any more")).to_be_visible()
    page.locator("#certify").get_by_label("Reason", exact=True).select_option("contaminated")
    page.get_by_label("Comment", exact=True).fill("light leak")
    page.keyboard.press("Control+Enter")
    # What it has touched is looked at first.
    page.wait_for_url(re.compile("/replace/$"))
    expect(page.locator("main")).to_contain_text("DARK")
    page.goto(observatory.base + bias)
    expect(page.locator("#history")).to_contain_text("contaminated BADQUAL: light leak")
    page.keyboard.press("u")
    expect(page.locator(".note-ok")).to_contain_text("taken back")
    expect(page.locator("#history")).to_contain_text("light leak")


def test_a_scientist_says_that_she_works_on_a_block_and_others_see_it(visit, observatory):
    quinn, other = scientist(visit), visit()
    page = quinn.page
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="I take them").click()
    expect(page.locator(WAITING).first).to_contain_text("quinn until")
    shown = other.open("/worklist/")
    expect(shown.locator(WAITING).first).to_contain_text("quinn until")
    expect(shown.locator("input[name=ab]")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="Release").click()
    expect(page.locator(WAITING).first).not_to_contain_text("quinn")


def test_a_block_is_decided_on_a_phone(visit, observatory):
    page = scientist(visit, width=390, height=844).page
    page.locator(WAITING).first.get_by_role("link").first.click()
    page.locator("#certify").scroll_into_view_if_needed()
    page.get_by_text("Accept", exact=True).click()
    page.get_by_label("Comment", exact=True).fill("from a phone")
    page.get_by_role("button", name="Write the decision").click()
    expect(page.locator(".note-ok")).to_contain_text("accepted")
    page.locator("[data-undo]").click()
    expect(page.locator(".note-ok")).to_contain_text("taken back")


def test_everything_is_read_and_a_block_decided_without_a_script(browser, observatory):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for address, words in (
        ("/worklist/", "red"), (observatory.night, "CAL001"), (observatory.block("red"), "Why is it red?"),
        ("/news/", "No news"), ("/waivers/", "Nothing is waived"),
    ):  # fmt: skip
        page.goto(observatory.base + address)
        assert words in page.locator("main").inner_text()
    page.goto(f"{observatory.base}/login/?next={observatory.block('red')}")
    page.get_by_label("Name").fill("quinn")
    page.get_by_label("Password").fill("quinn-certifies")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("radio", name="Accept").check()
    page.get_by_label("Comment", exact=True).fill("by hand")
    page.get_by_label("and on to the next").uncheck()
    page.get_by_role("button", name="Write the decision").click()
    expect(page.locator(".note-ok")).to_contain_text("accepted")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".note-ok")).to_contain_text("taken back")
    context.close()
