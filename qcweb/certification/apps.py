"""Human judgement."""

from django.apps import AppConfig


class CertificationConfig(AppConfig):
    name = "qcweb.certification"
    label = "certification"
