"""The face of the monitor, and the wiring of its rooms."""

from qcweb.celery import app as celery_app

__all__ = ["celery_app"]
