"""Human judgement."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CertificationConfig(AppConfig):
    name = "qcweb.certification"
    label = "certification"

    def ready(self) -> None:
        post_migrate.connect(make_roles, sender=self)


def make_roles(**_kwargs: Any) -> None:
    """Make the two roles: QC scientists may add certifications, observatory staff read."""
    from django.apps import apps
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    from qcweb.access import QC_SCIENTISTS, STAFF

    create_permissions(apps.get_app_config("certification"), verbosity=0)
    scientists, _ = Group.objects.get_or_create(name=QC_SCIENTISTS)
    Group.objects.get_or_create(name=STAFF)
    scientists.permissions.add(
        Permission.objects.get(
            content_type__app_label="certification", codename="add_certification"
        )
    )
