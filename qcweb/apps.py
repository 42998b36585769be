"""The face of the monitor."""

from django.apps import AppConfig


class QcwebConfig(AppConfig):
    name = "qcweb"
    verbose_name = "Health Check Monitor"

    def ready(self) -> None:
        from qcweb import (
            auditing,
            checks,  # noqa: F401  registers the system checks
        )

        auditing.listen()
