"""The Celery application: the same code on the embedded broker and on Redis."""

import os
import time
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from qcweb import broker, heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qcweb.settings")
broker.install()

__all__ = ["app", "heartbeat"]  # connected by its import

app = Celery("qcweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["qcweb"])


@setup_logging.connect
def keep_django_logging(**_kwargs: Any) -> None:
    """Keep the log lines of workers in the form of the web process, and in UT."""
    import logging.config

    from django.conf import settings

    logging.Formatter.converter = time.gmtime
    logging.config.dictConfig(settings.LOGGING)
