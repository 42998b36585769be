"""A QC1 table's page: its newest rows, what judges and draws its columns, what was taken out."""

from tests.qcweb.web.conftest import store_history
from tests.qcweb.web.html import parse


def open_table(client, name="ccdcam_bias"):
    answer = client.get(f"/qc1/{name}/")
    assert answer.status_code == 200
    return parse(answer)


def test_every_number_leads_to_its_value_and_a_red_one_is_seen(history):
    page = open_table(history.client)
    rows = page.one("section", aria_labelledby="r-t").one("tbody").all("tr")
    assert len(rows) == 60
    line = rows[60 - 1 - 40]
    red = [one for one in line.all("a") if "st-nok" in one.classes]
    assert [one.attributes["href"] for one in red] == [history.address("bias_level", 40)]
    assert red[0].text.startswith("NOK ")
    assert red[0].glyphs == ["nok"]
    hrefs = {one.attributes["href"] for one in line.all("a", css="plain")}
    assert history.address("ron_raw", 40) in hrefs
    for address in hrefs:
        assert history.client.get(address).status_code == 200


def test_a_column_says_where_it_is_judged_and_drawn(history):
    rows = open_table(history.client).one("section", id="columns").one("tbody").all("tr")
    lines = {row.one("th").text: row for row in rows}
    rule = history.rule("bias_level")
    links = {one.attributes["href"] for one in lines["bias_level"].all("a")}
    assert {f"/rules/{rule.pk}/", "/reports/CCDCAM/bias_level/"} <= links
    assert lines["overscan_level"].one("a").text == "make a rule"
    assert lines["read_mode"].all("a") == []


def test_a_reader_is_not_offered_to_make_a_rule(history, vera):
    history.client.force_login(vera)
    assert "make a rule" not in open_table(history.client).text


def test_what_was_taken_out_is_listed_with_who_and_why(history):
    history.act("bias_level", 40, "exclude", "a cosmic <b>")
    history.act("bias_level", 20, "hide", "the shutter")
    rows = open_table(history.client).one("section", id="marks").one("tbody").all("tr")
    assert len(rows) == 2
    assert "hidden" in rows[0].text
    assert "all" in rows[0].text
    assert "a cosmic <b>" in rows[1].text
    assert "bias_level" in rows[1].text
    assert rows[1].one("a").attributes["href"] == history.address("bias_level", 40)
    assert len(open_table(history.client).one("section", aria_labelledby="r-t").all("tr")) == 60


def test_a_long_list_of_what_was_taken_out_is_cut_and_counted(history):
    store_history(history.table, 10, 60)
    for day in range(55):
        history.act("bias_level", day, "exclude", "while the dome was open")
    marks = open_table(history.client).one("section", id="marks")
    assert len(marks.one("tbody").all("tr")) == 50
    assert "the newest 50 of 55" in marks.text


def test_a_table_without_rows_says_how_they_come(instruments, see):
    page = see("/qc1/ccdcam_bias/")
    assert "No rows yet" in page.one(css="empty").text
    assert page.all("section", id="marks") == []
    assert page.one("section", id="columns").one("tbody").all("tr")
