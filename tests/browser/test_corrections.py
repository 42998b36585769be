"""From a red value to its reason, a correction and back; from a rule to its next version."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]


@pytest.fixture
def quinn(visit, observatory):
    visitor = visit()
    visitor.open("/login/")
    visitor.log_in("quinn", "quinn-certifies")
    visitor.page.wait_for_load_state("load")
    return visitor


def test_a_red_value_is_explained_left_out_of_statistics_and_brought_back(quinn, observatory):
    page = quinn.open(observatory.block("red"))
    page.get_by_role("link", name="Since when, and who else").first.click()
    page.wait_for_url(re.compile(re.escape(observatory.value)))
    expect(page.get_by_role("heading", name="Why is it red?")).to_be_visible()
    expect(page.locator("#why + span")).to_contain_text("above the upper limit")
    quinn.wait_for_plots()
    expect(page.locator(".chart")).to_contain_text("this value")

    page.get_by_role("radio", name="Leave this value out of statistics").check()
    page.get_by_label("Reason", exact=True).fill("the amplifier was warm")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("left out of statistics")
    stands = page.locator("section", has=page.get_by_role("heading", name="Stands now"))
    expect(stands).to_contain_text("the amplifier was warm")

    page.get_by_role("link", name="ccdcam_bias").click()
    expect(page.locator("#marks")).to_contain_text("the amplifier was warm")
    page.locator("#marks tbody tr", has_text="the amplifier was warm").locator("a").first.click()
    stands.get_by_label("Why it is taken back").fill("it was not")
    stands.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("status")).to_contain_text("Taken back.")
    expect(stands).to_have_count(0)
    expect(page.locator("#history")).to_contain_text("it was not")


def test_a_change_of_a_rule_is_tried_and_saved(quinn):
    page = quinn.open("/rules/")
    page.get_by_role("row").filter(has_text="n_outlier").get_by_role("link").click()
    former = page.url
    limits = page.get_by_label(re.compile("^Limits"))
    limits.fill("VAL ,x")
    limits.press("Enter")
    expect(page.locator("#id_limits_error")).to_be_visible()
    expect(page.locator("#trial")).to_have_count(0)

    limits.fill("VAL ,5")
    limits.press("Enter")
    trial = page.locator("#trial")
    expect(trial.locator("tbody tr").first).to_contain_text("≤ 5")

    limits.fill("VAL ,70")
    page.get_by_label("Health Check").check()
    page.get_by_role("button", name="Show what it would have done").click()
    expect(trial).to_contain_text("Within the budget")
    expect(trial.locator("tbody tr")).to_have_count(0)
    # What is typed after the trial is not what is saved.
    limits.fill("VAL ,1")
    trial.get_by_label("Reason").fill("a few more are known")
    trial.get_by_role("button", name="Save as the next version").click()
    expect(page.get_by_role("status")).to_contain_text("Version 2 judges")
    versions = page.locator("#versions")
    expect(versions).to_contain_text("a few more are known")
    expect(versions).to_contain_text("Limits: VAL ,60 → VAL ,70; Health Check: no → yes")
    expect(limits).to_have_value("VAL ,70")
    page.goto(former.partition("?")[0])
    expect(page.get_by_text("Not in force")).to_be_visible()
