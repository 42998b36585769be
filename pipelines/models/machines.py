"""Who does the work: workers that say that they are alive, and the chores beside the blocks."""

from django.db import models


class Worker(models.Model):
    """A worker process, as it last said of itself."""

    name = models.CharField(max_length=255, unique=True, help_text="host:pid")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    queues = models.JSONField(default=list)
    concurrency = models.PositiveIntegerField(default=1)
    version = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, help_text="when it said that it ends")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Chore(models.Model):
    """One run of work that is no block's: an ingest, an import, a load, a task of the clock.

    Of chores that come every few seconds one row a name is kept, and counted.
    """

    name = models.CharField(max_length=40)
    subject = models.CharField(max_length=255, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # Empty while it runs, or when its process was ended.
    succeeded = models.BooleanField(null=True)
    said = models.TextField(blank=True, help_text="what came of it, or what went wrong")
    n_runs = models.PositiveBigIntegerField(default=1)
    worker = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["-started_at"], name="chore_newest_first"),
            models.Index(fields=["name", "-started_at"], name="chore_of_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.started_at:%Y-%m-%d %H:%M}"
