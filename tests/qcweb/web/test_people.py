"""The page of people: accounts, their rights, and what each page offers to whom."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from qcweb.access import TABLE, Access, allows
from qcweb.acts import ACTS
from qcweb.people.models import Right, Role
from qcweb.people.services.rights import give, rights_of
from tests.qcweb.tokens import bearer, made
from tests.qcweb.web.html import parse
from tests.qcweb.web.test_query_counts import PAGES, filled

pytestmark = pytest.mark.django_db
NEW = {"username": "nina", "email": "nina@example.org", "role": "SCIENTIST", "instrument": "UVES"}


@pytest.fixture
def admin(client, root, instruments):
    client.force_login(root)
    return client


def make(client, **changes):
    return client.post("/people/", NEW | changes)


def do(client, act, name="stan"):
    return client.post(f"/people/{name}/act/", {"act": act}, follow=True)


def note(answer):
    return parse(answer).one("main").one(css="note").text


def rows(page):
    return {row.one("th").text: row for row in page.one("table", "tbl").all("tr") if row.all("td")}


# What pages offer.


def offered(page):
    """Return the acting addresses of the forms of a page, with what they would send."""
    for form in page.one("main").all("form", method="post"):
        sent = {one.attributes.get("name"): one.attributes.get("value", "")
                for one in form.all("input", type="hidden")}  # fmt: skip
        own = form.attributes.get("action", "")
        buttons = form.all("button", type="submit")
        for there in {one.attributes.get("formaction", own) for one in buttons} - {""}:
            yield there, sent


@pytest.mark.parametrize("who", ["uma", "cara", "vera", "stan"])
def test_no_page_offers_what_would_be_refused(client, rf, states, request, who):
    user = request.getfixturevalue(who)
    client.force_login(user)
    rights, n = rights_of(user), 0
    for address in PAGES.values():
        answer = client.get(filled(address, states["red"]))
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        for action, sent in offered(parse(answer)):
            match = resolve(urlsplit(action).path)
            needed = TABLE[match.view_name][1]
            if needed is not None and needed not in {Access.OPEN, Access.READ, Access.LOGIN}:
                n += needed == Access.CERTIFY
                subject = ACTS[match.view_name].find(rf.post(action, sent), match.kwargs)
                assert allows(rights, needed, subject), (address, action)
    # There is something to be seen for whom it is meant.
    assert (n > 5) == (who == "cara")


@pytest.mark.parametrize(("who", "is_offered"), [("cara", True), ("uma", False), ("vera", False)])
def test_a_block_is_certified_by_scientists_of_its_instrument(
    client, night, request, who, is_offered
):
    client.force_login(request.getfixturevalue(who))
    address = reverse("block", args=[night["red"].ab_name])
    panel = parse(client.get(address)).one(id="certify")
    assert bool(panel.all("form")) == is_offered
    form = {"decision": "REJECTED", "comment": "stripes", "seen": 0}
    status = client.post(reverse("block-certify", args=[night["red"].ab_name]), form).status_code
    assert status == (302 if is_offered else 403)


def test_the_refusal_says_which_right_is_lacking(client, night, uma):
    client.force_login(uma)
    answer = client.post(reverse("block-undo", args=[night["red"].ab_name]))
    text = parse(answer).one("main").text
    assert "This needs a QC scientist, with the right for CCDCAM." in text
    assert "Administrators give rights." in text
    everything = client.post("/work/act/", {"act": "hold", "subject": "pool"})
    assert "with the right for all instruments" in parse(everything).text


def test_an_event_is_declared_for_ones_own_instruments(client, uma):
    client.force_login(uma)
    page = parse(client.get("/events/"))
    options = page.one("select", id="id_instrument").all("option")
    assert [one.attributes["value"] for one in options] == ["", "UVES"]


def test_a_token_reaches_no_further_than_its_account(client, night, uma):
    secret = made(uma, "read", "certify")[1]
    address = reverse("api:block-certifications", args=[night["red"].ab_name])
    answer = client.post(address, {}, content_type="application/json", headers=bearer(secret))
    assert answer.status_code == 403
    assert "with the right for CCDCAM" in answer.json()["detail"]
    assert client.get(address, headers=bearer(secret)).status_code == 200


def test_staff_ask_for_a_refresh_and_are_told(client, vera, instruments):
    client.force_login(vera)
    assert parse(client.get("/work/")).all("form", action="/work/UVES/refresh/")
    answer = client.post("/work/UVES/refresh/", follow=True)
    assert answer.redirect_chain == [("/work/", 302)]
    assert "UVES is looked at again" in parse(answer).one("main").text
    again = client.post("/work/UVES/refresh/", follow=True)
    assert "begins at once" in parse(again).one("main").text


# Accounts.


@pytest.mark.parametrize(
    ("who", "links"),
    [("root", {"/people/", "/audit/", "/password/"}), ("quinn", {"/audit/", "/password/"}),
     ("vera", {"/password/"})],
)  # fmt: skip
def test_the_menu_leads_where_somebody_may_go(client, request, who, links):
    client.force_login(request.getfixturevalue(who))
    page = parse(client.get("/"))
    there = {one.attributes["href"] for one in page.all("a")}
    assert there & {"/people/", "/audit/", "/password/"} == links


def test_the_list_says_who_may_what(admin, quinn, uma, stan):
    made(uma)
    found = rows(parse(admin.get("/people/")))
    assert "QC scientist of all instruments" in found["quinn"].text
    assert "QC scientist of UVES" in found["uma"].text
    assert found["uma"].all("td")[-1].text == "1"
    assert "reads" in found["stan"].text
    assert "everything" in found["root"].text


def test_a_new_account_has_its_right_and_its_password_is_shown_once(admin):
    answer = make(admin)
    password = parse(answer).one(id="secret").text
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    nina = User.objects.get(username="nina")
    assert nina.check_password(password)
    assert (nina.email, str(nina.rights.get())) == ("nina@example.org", "QC scientist of UVES")
    assert nina.rights.get().given_by == "root"
    assert password not in admin.get("/people/nina/").content.decode()
    login = Client().post("/login/", {"username": "nina", "password": password})
    assert login.status_code == 302


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"username": "root"}, "username", "There is an account root already."),
        ({"username": "ROOT"}, "username", "There is an account root already."),
        ({"username": "a b"}, "username", "letters, digits"),
        ({"username": ""}, "username", "required"),
        ({"email": "nina"}, "email", "valid email"),
        ({"instrument": "HUBBLE"}, "instrument", "not one of the available"),
        ({"role": "KING"}, "role", "not one of the available"),
    ],
)
def test_what_makes_no_account_is_said_at_its_field(admin, changes, field, words):
    answer = make(admin, **changes)
    assert answer.status_code == 400
    assert words in parse(answer).one(id=f"id_{field}_error").text
    assert not User.objects.filter(email="nina@example.org").exists()


def test_a_right_is_given_and_taken(admin, stan):
    give_it = {"role": "SCIENTIST", "instrument": "CCDCAM"}
    answer = admin.post("/people/stan/rights/", give_it, follow=True)
    assert "QC scientist of CCDCAM" in note(answer)
    again = admin.post("/people/stan/rights/", give_it)
    assert again.status_code == 400
    assert "already" in parse(again).one(id="id_role_error").text
    right = stan.rights.get()
    address = f"/people/stan/rights/{right.pk}/take/"
    assert "taken" in note(admin.post(address, follow=True))
    assert "was taken already" in note(admin.post(address, follow=True))
    page = parse(admin.get("/people/stan/"))
    assert "No rights" in page.one(css="empty").text
    assert "taken by root" in page.text
    assert Right.objects.count() == 1


def test_a_right_of_somebody_else_is_not_taken_here(admin, uma, stan):
    right = give(stan, Role.STAFF, None, "root", timezone.now())
    assert admin.post(f"/people/uma/rights/{right.pk}/take/").status_code == 404
    right.refresh_from_db()
    assert right.taken_at is None


def test_a_closed_account_logs_in_no_more_and_comes_back(admin, stan):
    secret = made(stan)[1]
    assert "is closed" in note(do(admin, "close"))
    typed = {"username": "stan", "password": "stan-strays"}
    assert Client().post("/login/", typed).status_code == 200
    assert Client().get("/api/v1/", headers=bearer(secret)).status_code == 401
    assert "was so already" in note(do(admin, "close"))
    assert "is open again" in note(do(admin, "open"))
    assert Client().post("/login/", typed).status_code == 302


def test_an_administrator_is_made_and_unmade_and_the_last_one_stays(admin, stan):
    assert "is the last administrator" in note(do(admin, "close", "root"))
    assert "is the last administrator" in note(do(admin, "no-admin", "root"))
    assert "is an administrator" in note(do(admin, "admin"))
    assert "is no administrator" in note(do(admin, "no-admin"))
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


def test_another_password_is_shown_once_and_ends_the_sessions(admin, stan):
    other = Client()
    other.force_login(stan)
    answer = do(admin, "password")
    assert answer["Cache-Control"] == "no-store"
    stan.refresh_from_db()
    assert stan.check_password(parse(answer).one(id="secret").text)
    assert other.get("/tokens/").status_code == 302


@pytest.mark.parametrize("address", ["/people/nobody/", "/people/a%20b/"])
def test_an_account_that_is_not_there_is_said(admin, address):
    assert admin.get(address).status_code == 404
    assert admin.post(f"{address}act/", {"act": "close"}).status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_people(
    admin, stan, vera, django_assert_max_num_queries
):
    for n in range(20):
        user = User.objects.create_user(f"user{n}")
        give(user, Role.STAFF, None, "root", timezone.now())
    with django_assert_max_num_queries(10):
        admin.get("/people/")
    with django_assert_max_num_queries(11):
        admin.get("/people/vera/")


# The own password.

RIGHT = "quinn-certifies"


@pytest.mark.parametrize("text", ["short", "password123", "12345678901234", "qwertyuiop"])
def test_weak_passwords_are_refused(client, quinn, text):
    client.force_login(quinn)
    typed = {"old_password": RIGHT, "new_password1": text, "new_password2": text}
    answer = client.post("/password/", typed)
    assert answer.status_code == 400
    assert parse(answer).all(css="has-err")
    quinn.refresh_from_db()
    assert quinn.check_password(RIGHT)


def test_changing_the_password_ends_other_sessions_and_not_this_one(client, quinn):
    other = Client()
    other.force_login(quinn)
    client.force_login(quinn)
    typed = {
        "old_password": RIGHT,
        "new_password1": "lamp-and-slit",
        "new_password2": "lamp-and-slit",
    }
    answer = client.post("/password/", typed, follow=True)
    assert "Your password is changed" in parse(answer).one(css="note").text
    assert other.get("/tokens/").status_code == 302
    assert client.get("/tokens/").status_code == 200


def test_the_wrong_former_password_is_said_at_its_field(client, quinn):
    client.force_login(quinn)
    typed = {
        "old_password": "no",
        "new_password1": "lamp-and-slit",
        "new_password2": "lamp-and-slit",
    }
    (field,) = parse(client.post("/password/", typed)).all(css="has-err")
    assert "old_password" in field.one("input").attributes["name"]
