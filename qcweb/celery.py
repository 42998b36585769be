"""The Celery application: the same code on the embedded broker and on Redis."""

import os
import time
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun

from qcweb import broker, heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qcweb.settings")
broker.install()

__all__ = ["app", "heartbeat"]  # connected by its import

app = Celery("qcweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["qcweb"])
# A connection is kept from task to task: a new one costs more than most steps of a block. Celery
# reads this by its old name alone.
app.conf.CELERY_DB_REUSE_MAX = 1000


@task_prerun.connect
def drop_what_is_broken(**_kwargs: Any) -> None:
    """Close connections that the server has dropped meanwhile, so that the task gets a new one."""
    from django.db import close_old_connections

    close_old_connections()


@setup_logging.connect
def keep_django_logging(**_kwargs: Any) -> None:
    """Keep the log lines of workers in the form of the web process, and in UT."""
    import logging.config

    from django.conf import settings

    logging.Formatter.converter = time.gmtime
    logging.config.dictConfig(settings.LOGGING)
