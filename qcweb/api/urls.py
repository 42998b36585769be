"""Addresses of the API."""

from django.urls import path

from . import rows, trend, views

app_name = "api"
urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("qc1/tables/", views.TablesView.as_view(), name="tables"),
    path("qc1/tables/<str:table>/rows/", rows.RowsView.as_view(), name="rows"),
    path("qc1/tables/<str:table>/trend/<str:parameter>/", trend.TrendView.as_view(), name="trend"),
    path("schema/", views.SchemaView.as_view(), name="schema"),
]
