"""Addresses. Who may use each is in `qcweb.access`."""

from dataclasses import replace

from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from qcweb.api.qc1_cgi import Qc1CgiView
from qcweb.problems import Problem, answer, not_found, respond
from qcweb.web.views import (
    accounts,
    associations,
    audit,
    blocks,
    calendar,
    events,
    exports,
    frames,
    gallery,
    handover,
    home,
    monitor,
    night_state,
    nights,
    notes,
    patterns,
    plan,
    provenance,
    reports,
    rules,
    sanity,
    search,
    summaries,
    tables,
    tokens,
    values,
    waivers,
    work,
    worklist,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("patterns/", patterns.patterns, name="patterns"),
    path("metrics", home.metrics, name="metrics"),
    path("health/", home.health, name="health"),
    path("nights/", nights.nights, name="nights"),
    path("nights/<str:instrument>/calendar/", calendar.newest, name="calendar-newest"),
    path("nights/<str:instrument>/calendar/<int:year>/", calendar.calendar, name="calendar"),
    path(
        "nights/<str:instrument>/months/<str:month>/", summaries.month_report, name="month-report"
    ),
    path("nights/<str:instrument>/<str:night>/", nights.night, name="night"),
    path("nights/<str:instrument>/<str:night>/export/", exports.export, name="night-export"),
    path(
        "nights/<str:instrument>/<str:night>/report/", summaries.night_report, name="night-report"
    ),
    path("nights/<str:instrument>/<str:night>/frames/", nights.frames, name="frames"),
    path("nights/<str:instrument>/<str:night>/cascade/", night_state.cascade, name="cascade"),
    path("nights/<str:instrument>/<str:night>/close/", night_state.close, name="night-close"),
    path("nights/<str:instrument>/<str:night>/reopen/", night_state.reopen, name="night-reopen"),
    path(
        "nights/<str:instrument>/<str:night>/calibrated/",
        night_state.calibrated,
        name="night-calibrated",
    ),
    path("nights/<str:instrument>/<str:night>/gallery/", gallery.gallery, name="gallery"),
    path("nights/<str:instrument>/<str:night>/run/", work.night_run, name="night-run"),
    path("handover/<str:instrument>/", handover.handover, name="handover"),
    path("handover/<str:instrument>/tar/", handover.archive, name="handover-archive"),
    path("worklist/", worklist.show, name="worklist"),
    path("worklist/claim/", worklist.claim, name="worklist-claim"),
    path("worklist/decide/", worklist.decide, name="worklist-decide"),
    path("worklist/undo/<slug:number>/", worklist.undo, name="worklist-undo"),
    path("frames/", frames.raw_frames, name="raw-frames"),
    path("frames/<int:pk>/", frames.frame, name="frame"),
    path("frames/<int:pk>/look/<int:number>.png", frames.look, name="frame-look"),
    path("frames/<int:pk>/hide/", frames.hide, name="frame-hide"),
    path("plan/", plan.plans, name="plans"),
    path("plan/<str:instrument>/", plan.plan, name="plan"),
    path("work/", monitor.work, name="monitor"),
    path("work/act/", monitor.act, name="monitor-act"),
    path("work/<str:instrument>/refresh/", monitor.refresh, name="refresh"),
    path("search/", search.search, name="search"),
    path("blocks/<str:ab_name>/", blocks.block, name="block"),
    path("blocks/<str:ab_name>/log/<int:number>/", blocks.log, name="block-log"),
    path(
        "blocks/<str:ab_name>/associations/", associations.associations, name="block-associations"
    ),
    path("blocks/<str:ab_name>/provenance/", provenance.provenance, name="block-provenance"),
    path("blocks/<str:ab_name>/certify/", blocks.certify, name="block-certify"),
    path("blocks/<str:ab_name>/undo/", blocks.undo, name="block-undo"),
    path("blocks/<str:ab_name>/scores/", values.correct_block, name="block-scores"),
    path("blocks/<str:ab_name>/run/", work.run, name="block-run"),
    path("blocks/<str:ab_name>/act/", work.act, name="block-act"),
    path("blocks/<str:ab_name>/replace/", work.replace, name="block-replace"),
    path("blocks/<str:ab_name>/compare/", work.compare, name="block-compare"),
    path("blocks/<str:ab_name>/current/<int:number>/", work.current, name="block-current"),
    path("products/<int:pk>/", blocks.product, name="product"),
    path("products/<int:pk>/look/<int:hdu>/<str:kind>.png", gallery.picture, name="product-look"),
    path("reports/", reports.reports, name="reports"),
    path("reports/<str:instrument>/<str:name>/", reports.report, name="report"),
    path(
        "reports/<str:instrument>/<str:name>/figures/<int:number>/",
        reports.figure,
        name="report-figure",
    ),
    path("qc1/", tables.tables, name="tables"),
    path("qc1/qc1_cgi", Qc1CgiView.as_view(), name="qc1-cgi"),
    path("qc1/<str:name>/", tables.table, name="table"),
    path("qc1/<str:table>/<str:parameter>/<int:row>/", values.value, name="value"),
    path("qc1/<str:table>/<str:parameter>/<int:row>/act/", values.act, name="value-act"),
    path("qc1/<str:table>/<str:parameter>/<int:row>/undo/", values.undo, name="value-undo"),
    path("sanity/", sanity.sanity, name="sanity"),
    path("events/", events.events, name="events"),
    path("events/<int:pk>/", events.event, name="event"),
    path("events/<int:pk>/adopt/", events.adopt, name="event-adopt"),
    path("events/<int:pk>/withdraw/", events.withdraw, name="event-withdraw"),
    path(
        "events/<int:pk>/references/<int:reference>/withdraw/",
        events.take_back_reference,
        name="reference-withdraw",
    ),
    path("rules/", rules.rules, name="rules"),
    path("rules/<int:pk>/", rules.rule, name="rule"),
    path("rules/<int:pk>/change/", rules.change, name="rule-change"),
    path("rules/new/<str:table>/<str:parameter>/", rules.new, name="rule-new"),
    path("series/<int:pk>/figure/", values.figure, name="series-figure"),
    path("waivers/", waivers.show, name="waivers"),
    path("waivers/<int:pk>/withdraw/", waivers.take_back, name="waiver-withdraw"),
    path("blocks/<str:ab_name>/waive/", waivers.make, name="block-waive"),
    path("news/", notes.news, name="news"),
    path("news/<int:pk>/withdraw/", notes.withdraw_news, name="news-withdraw"),
    path("instruments/<str:instrument>/comments/", notes.comment, name="comment"),
    path("comments/<int:pk>/withdraw/", notes.withdraw_comment, name="comment-withdraw"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<int:pk>/revoke/", tokens.revoke_token, name="token-revoke"),
    path("password/", accounts.PasswordView.as_view(), name="password"),
    path("people/", accounts.people, name="people"),
    path("people/<str:username>/", accounts.one, name="person"),
    path("people/<str:username>/act/", accounts.act, name="person-act"),
    path("people/<str:username>/rights/", accounts.give_right, name="right-give"),
    path("people/<str:username>/rights/<int:pk>/take/", accounts.take_right, name="right-take"),
    path("audit/", audit.audit, name="audit"),
    path("api/v1/", include("qcweb.api.urls")),
    path("tap/", include("qcweb.api.tap_urls")),
]


def _bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, exception)


def _not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = not_found()
    if request.path_info.startswith("/api/"):
        problem = replace(problem, hint="/api/v1/ lists what there is.")
    return respond(request, problem)


def _forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond(request, Problem(403, "Not yours to do", "Not allowed."))


def _failed(request: HttpRequest) -> HttpResponse:
    return respond(
        request, Problem(500, "This did not work", "Nothing that is stored has changed.")
    )


handler400, handler403, handler404, handler500 = _bad_request, _forbidden, _not_found, _failed
