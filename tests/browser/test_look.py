"""Every page in a real browser: nothing inaccessible, nothing wider than the window, in both themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]

PAGES = {
    "home": "/",
    "nights": "/nights/",
    "night": "{night}",
    "night, chosen columns": "{night}?columns=index,ab_name,score&sort=-score&q=bias",
    "calendar": "/nights/CCDCAM/calendar/",
    "empty calendar": "/nights/UVES/calendar/",
    "report of a night": "{night}report/",
    "empty report of a month": "/nights/CCDCAM/months/2015-02/",
    "frames": "{night}frames/",
    "empty night": "/nights/UVES/2015-02-26/",
    "block": "{red}",
    "failed block": "{failed}",
    "log": "{red}log/1/",
    "report": "/reports/CCDCAM/read_noise/",
    "empty report": "/reports/UVES/bias_level/",
    "worklist": "/worklist/",
    "news": "/news/",
    "waivers": "/waivers/",
    "work": "/work/",
    "tables": "/qc1/",
    "table": "/qc1/ccdcam_bias/",
    "empty table": "/qc1/uves_bias/",
    "red value": "{value}",
    "rules": "/rules/",
    "rule": "{rule}",
    "rule, tried": "{rule}?limits=3MAD&average=MEDIAN&min_n=1",
    "rule, tried with errors": "{rule}?limits=3MADS&average=MEDIAN&min_n=0&valid_from=soon",
    "new rule": "/rules/new/ccdcam_bias/struct_x/",
    "events": "/events/",
    "sanity": "/sanity/?instrument=CCDCAM",
    "tokens": "/tokens/",
    "reports": "/reports/",
    "raw frames": "/frames/",
    "no raw frames": "/frames/?q=nothing",
    "frame": "{flat}",
    "science frame": "{science}",
    "cascade": "{night}cascade/",
    "close": "{night}close/",
    "associations": "{dark}associations/",
    "plans": "/plan/",
    "plan": "/plan/CCDCAM/",
    "empty plan": "/plan/UVES/",
    "search": "/search/?q=ccdcam",
    "search for nothing": "/search/?q=nothing",
    "API": "/api/v1/",
    "API, blocks": "/api/v1/blocks/",
    "API, nothing": "/api/v1/events/",
    "API, a filter": "/api/v1/frames/?state=calibration&state=science&order=name&limit=5",
    "API, a block": "/api/v1{red}",
    "API, decisions": "/api/v1{red}certifications/",
    "API, a report": "/api/v1/reports/CCDCAM/read_noise/",
    "API, rows": "/api/v1/qc1/tables/ccdcam_bias/rows/",
    "login": "/login/",
    "audit log": "/audit/",
    "empty audit log": "/audit/?q=nothing",
    "password": "/password/",
    "patterns": "/patterns/",
    "wall": "/#wall",
}
# What administrators alone see.
PAGES_OF_ADA = {"people": "/people/", "person": "/people/quinn/", "all of the audit log": "/audit/"}
LONG_NAME = """
from django.contrib.auth.models import User
user, _ = User.objects.get_or_create(
    username="maximiliane.von.wolkenstein", first_name="Maximiliane-Bartholomea"
)
user.set_password("max-certifies")
user.is_superuser = True
user.save()
out = 0
"""
SERIOUS = {"serious", "critical"}
# What is wider than the window, outside the frames that may scroll.
TOO_WIDE = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  // A long word makes a page wide, and no element.
  return ["page", ...[...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest(".scroll"))
    .map((one) => `${one.tagName.toLowerCase()}.${one.className.baseVal ?? one.className}`)];
}"""


def address_of(observatory, name):
    return PAGES[name].format(
        night=observatory.night, red=observatory.block("red"), failed=observatory.block("failed"),
        dark=observatory.block("dark"), flat=observatory.frame("FLAT"),
        science=observatory.frame("SCIENCE"), value=observatory.value, rule=observatory.rule,
    )  # fmt: skip


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "dark")])
def test_pages_of_administrators_are_accessible_and_fit(visit, width, theme):
    ada = visit(width=width, theme=theme)
    ada.open("/login/")
    ada.log_in("ada", "ada-gives-rights")
    ada.page.wait_for_load_state("load")
    found = []
    for name, address in PAGES_OF_ADA.items():
        ada.open(address)
        found += [(name, str(one)) for one in ada.page.evaluate(TOO_WIDE)]
        for one in Axe().run(ada.page).response["violations"]:
            if one["impact"] in SERIOUS:
                nodes = [node["html"][:160] for node in one["nodes"]][:3]
                found.append((name, f"{one['id']}: {nodes}"))
    assert found == [], "\n".join(map(str, found))


def open_as_quinn(visit, width, theme="light"):
    quinn = visit(width=width, theme=theme)
    quinn.open("/login/")
    quinn.log_in("quinn", "quinn-certifies")
    quinn.page.wait_for_load_state("load")
    return quinn


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, observatory, theme):
    quinn = open_as_quinn(visit, 1440, theme)
    found = []
    for name in PAGES:
        quinn.open(address_of(observatory, name))
        quinn.wait_for_plots()
        for one in Axe().run(quinn.page).response["violations"]:
            if one["impact"] in SERIOUS:
                nodes = [node["html"][:160] for node in one["nodes"]][:3]
                found.append((name, one["id"], one["help"], nodes))
    assert found == [], "\n".join(map(str, found))


@pytest.mark.parametrize("width", [1440, 1200, 1199, 1024, 390, 360])
def test_nothing_scrolls_sideways(visit, observatory, width):
    quinn = open_as_quinn(visit, width)
    wide = {}
    for name in PAGES:
        quinn.open(address_of(observatory, name))
        quinn.wait_for_plots()
        if found := quinn.page.evaluate(TOO_WIDE):
            wide[name] = found[:5]
    assert wide == {}


BAR = """() => {
  const parts = [...document.querySelectorAll(".topbar > *")].map((one) => one.getBoundingClientRect()).filter((box) => box.width > 0);
  const gaps = parts.slice(1).map((box, n) => box.left - parts[n].right);
  return [Math.min(...gaps), innerWidth - parts.at(-1).right, document.documentElement.scrollWidth - innerWidth];
}"""


@pytest.mark.parametrize("width", [1920, 1440, 1366, 1280, 1200, 1199, 1080, 640, 360])
def test_the_bar_has_room_for_a_long_name(visit, observatory, width):
    observatory.site.json(LONG_NAME)
    quinn = visit(width=width)
    quinn.open("/login/?next=/frames/")
    quinn.log_in("maximiliane.von.wolkenstein", "max-certifies")
    quinn.page.locator(".filters").wait_for()
    gap, room, too_wide = quinn.page.evaluate(BAR)
    assert gap >= 0
    assert room >= 0
    assert too_wide <= 0


def test_the_wall_shows_instruments_and_what_needs_a_look_and_nothing_to_click(visit):
    page = visit(width=1920, height=1080).open("/")
    page.keyboard.press("w")
    expect(page.locator("body.wall")).to_have_count(1)
    matrix = page.locator("table.matrix").bounding_box()
    assert matrix["width"] > 1000
    assert matrix["height"] > 200
    assert page.locator("a.cell-nok").first.is_visible()
    assert page.get_by_role("heading", name="Needs a look").is_visible()
    for hidden in (page.locator(".nav"), page.get_by_role("heading", name="Worklist")):
        assert not hidden.is_visible()
    page.keyboard.press("w")
    expect(page.locator("body.wall")).to_have_count(0)


def test_print_leaves_out_what_is_only_for_the_screen(visit, observatory):
    quinn = visit(theme="dark")
    page = quinn.open(observatory.night)
    page.emulate_media(media="print")
    for hidden in (".topbar", ".keybar", ".filters", ".stepper"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.locator("table.nights").is_visible()
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_the_icon_and_the_title_say_the_state_and_the_clock_says_stale(visit, observatory):
    page = visit().open("/")
    icon = "() => document.querySelector('link[rel=icon]').getAttribute('href')"
    assert "nok" in page.evaluate(icon)
    assert page.title().endswith("NOK, Health Check Monitor")
    page.evaluate(
        "() => { document.querySelector('[data-fresh] time').dateTime = '2020-01-01T00:00:00Z'; }"
    )
    page.locator(".fresh.is-stale").wait_for()
    assert "stale" in page.evaluate(icon)
    assert page.get_by_text("the server does not answer").is_visible()
