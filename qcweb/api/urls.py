"""Addresses of the API."""

from django.urls import path

from . import rows, views

app_name = "api"
urlpatterns = [
    path("", views.RootView.as_view(), name="root"),
    path("qc1/tables/", views.TablesView.as_view(), name="tables"),
    path("qc1/tables/<str:table>/rows/", rows.RowsView.as_view(), name="rows"),
    path("schema/", views.SchemaView.as_view(), name="schema"),
]
