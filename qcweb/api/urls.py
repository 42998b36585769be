"""Addresses of the API."""

from django.urls import path

from . import rows, trend, views
from .resources import (
    blocks,
    certifications,
    events,
    frames,
    instruments,
    nights,
    products,
    provenance,
    reports,
    scores,
    tables,
)

app_name = "api"
urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("instruments/", instruments.InstrumentsView.as_view(), name="instruments"),
    path("instruments/<str:name>/", instruments.InstrumentView.as_view(), name="instrument"),
    path("nights/", nights.NightsView.as_view(), name="nights"),
    path("nights/<str:instrument>/<str:night>/", nights.NightView.as_view(), name="night"),
    path("blocks/", blocks.BlocksView.as_view(), name="blocks"),
    path("blocks/<str:ab_name>/", blocks.BlockView.as_view(), name="block"),
    path(
        "blocks/<str:ab_name>/certifications/",
        certifications.BlockCertificationsView.as_view(),
        name="block-certifications",
    ),
    path(
        "blocks/<str:ab_name>/provenance/",
        provenance.BlockProvenanceView.as_view(),
        name="block-provenance",
    ),
    path("scores/", scores.ScoresView.as_view(), name="scores"),
    path("certifications/", certifications.CertificationsView.as_view(), name="certifications"),
    path("reports/", reports.ReportsView.as_view(), name="reports"),
    path("reports/<str:instrument>/<str:name>/", reports.ReportView.as_view(), name="report"),
    path("qc1/tables/", tables.TablesView.as_view(), name="tables"),
    path("qc1/tables/<str:table>/", tables.TableView.as_view(), name="table"),
    path("qc1/tables/<str:table>/columns/", tables.ColumnsView.as_view(), name="columns"),
    path("qc1/tables/<str:table>/rows/", rows.RowsView.as_view(), name="rows"),
    path("qc1/tables/<str:table>/trend/<str:parameter>/", trend.TrendView.as_view(), name="trend"),
    path("events/", events.EventsView.as_view(), name="events"),
    path("events/<int:id>/", events.EventView.as_view(), name="event"),
    path("frames/", frames.FramesView.as_view(), name="frames"),
    path("frames/<int:id>/", frames.FrameView.as_view(), name="frame"),
    path("products/", products.ProductsView.as_view(), name="products"),
    path("products/<int:id>/", products.ProductView.as_view(), name="product"),
    path("schema/", views.SchemaView.as_view(), name="schema"),
]
