"""Waivers on pages: made on a block, seen on its night and on a page of their own, taken back."""

import pytest

from pipelines.models import Waiver
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["failed", "incomplete"])
def test_a_waived_block_looks_waived_everywhere_and_nowhere_green(states, client, quinn, kind):
    client.force_login(quinn)
    [block] = [one for name, one in states.items()
               if (one.process_status == "FAILED" if kind == "failed"
                   else one.completeness == "INCOMPLETE")][:1]  # fmt: skip
    n = parse(client.get("/worklist/")).all("tr", data_row="")
    page = f"/blocks/{block.ab_name}/"
    assert "Waive it" in client.get(page).content.decode()
    client.post(f"{page}waive/", {"reason": "lamp <b>broken</b>", "last_night": str(block.night)})
    assert len(parse(client.get("/worklist/")).all("tr", data_row="")) == len(n) - 1
    shown = client.get(page).content.decode()
    assert "lamp &lt;b&gt;broken&lt;/b&gt;" in shown
    night = parse(client.get(f"/nights/CCDCAM/{block.night}/?show=waived"))
    [row] = night.all("tr", data_row="")
    assert "waived" in row.text
    assert client.get(f"/api/v1/blocks/{block.ab_name}/").json()["needs_person"] is False
    [line] = parse(client.get("/waivers/")).all("tbody")[0].all("tr")
    assert "quinn" in line.text
    assert line.all("td", css="num")[0].text == "1"
    client.post(f"/waivers/{Waiver.objects.get().pk}/withdraw/")
    assert len(parse(client.get("/worklist/")).all("tr", data_row="")) == len(n)


def test_a_wrong_one_is_refused_and_what_was_typed_is_kept(states, client, quinn):
    client.force_login(quinn)
    block = states["failed"]
    page = f"/blocks/{block.ab_name}/"
    client.post(f"{page}waive/", {"reason": "because", "last_night": "2020-01-01"})
    assert not Waiver.objects.exists()
    [box] = [one for one in parse(client.get(page)).all("input")
             if one.attributes.get("id") == "wv-reason"]  # fmt: skip
    assert box.attributes["value"] == "because"
    assert client.post(f"{page}waive/", {"reason": "x", "last_night": "never"}).status_code == 404


def test_an_empty_list_says_how_one_is_made(client, vera):
    client.force_login(vera)
    assert "Nothing is waived" in client.get("/waivers/").content.decode()
