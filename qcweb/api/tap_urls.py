"""Addresses of the TAP service."""

from django.urls import path

from . import tap

app_name = "tap"
urlpatterns = [
    path("", tap.TapPage.as_view(), name="page"),
    path("sync", tap.SyncView.as_view(), name="sync"),
    path("async", tap.AsyncView.as_view(), name="async"),
    path("async/<path:rest>", tap.AsyncView.as_view(), name="job"),
    path("tables", tap.TablesView.as_view(), name="tables"),
    path("tables/<str:name>", tap.TablesView.as_view(), name="table"),
    path("capabilities", tap.CapabilitiesView.as_view(), name="capabilities"),
    path("availability", tap.AvailabilityView.as_view(), name="availability"),
]
