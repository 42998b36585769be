"""People, and the programs that act for them."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "qcweb.people"
    label = "people"
