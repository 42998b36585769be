"""From products to judgement."""

from django.apps import AppConfig


class TrendingConfig(AppConfig):
    name = "trending"
    verbose_name = "Trending"
