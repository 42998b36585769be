"""What Prometheus reads: asked of the database at each scrape, so that any web process may answer."""

import datetime as dt
import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from pipelines.models import AssociationBlock
from pipelines.services.workers import living_workers
from qcweb import monitor
from qcweb.recipe_trends import recipe_trends
from trending.services.delay import latest_delays


class Collector:
    """The state of the system at one moment."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("hcm", "The program.", {"version": str(settings.VERSION)})
        yield self._blocks()
        yield from self._queues()
        yield _gauge("hcm_workers_alive", "Workers seen in the last minute.",
                     living_workers().count())  # fmt: skip
        yield self._runs()
        yield _recipes()
        yield _delays()
        yield from self._sweep()
        yield _gauge("hcm_data_free_bytes", "Room on the disk of the data directory.",
                     shutil.disk_usage(settings.HCM_DATA_DIR).free)  # fmt: skip

    def _blocks(self) -> Metric:
        found = GaugeMetricFamily("hcm_blocks", "Blocks.", labels=["instrument", "status"])
        counts = AssociationBlock.objects.values_list("instrument__name", "process_status")
        for name, status, n in counts.annotate(n=Count("pk")).order_by():
            found.add_metric([name, status.lower()], n)
        return found

    def _queues(self) -> Iterator[Metric]:
        queues = monitor.queues(self.at)
        waiting = GaugeMetricFamily(
            "hcm_waiting", "Blocks that wait for a worker.", labels=["queue"]
        )
        for name, n in queues.by_queue.items():
            waiting.add_metric([name], n)
        yield waiting
        todo = GaugeMetricFamily("hcm_to_do", "Blocks that are not at rest.", labels=["state"])
        for state in ("ready", "blocked", "running", "later", "held"):
            todo.add_metric([state], getattr(queues, state))
        yield todo
        oldest = monitor.oldest_waiting()
        age_s = (self.at - oldest.since).total_seconds() if oldest else 0.0
        yield _gauge("hcm_oldest_waiting_seconds", "How long the oldest block waits.", age_s)

    def _runs(self) -> Metric:
        found = GaugeMetricFamily(
            "hcm_runs_last_hour", "Runs that ended within an hour.", labels=["outcome", "kind"]
        )
        ended = monitor.latest_runs().filter(finished_at__gte=self.at - dt.timedelta(hours=1))
        counts = ended.values_list("outcome", "failure_kind").annotate(n=Count("pk")).order_by()
        for outcome, kind, n in counts:
            found.add_metric([outcome.lower(), kind], n)
        return found

    def _sweep(self) -> Iterator[Metric]:
        sweep = monitor.last_sweep(self.at)
        if sweep.age_s is not None:
            yield _gauge("hcm_sweep_age_seconds", "Since the last sweep.", sweep.age_s)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _recipes() -> Metric:
    """Return a summary of each recipe's latest runs, sixty at most."""
    found = Metric("hcm_recipe_seconds", "Run time of a recipe's latest 60 runs.", "summary")
    for one in recipe_trends():
        labels = {"instrument": one.instrument, "recipe": one.recipe}
        found.add_sample("hcm_recipe_seconds", labels | {"quantile": "0.5"}, one.duration_s)
        found.add_sample("hcm_recipe_seconds_count", labels, len(one.durations))
        found.add_sample("hcm_recipe_seconds_sum", labels, sum(one.durations))
    return found


def _delays() -> Metric:
    found = GaugeMetricFamily(
        "hcm_file_to_score_seconds",
        "From a block's last frame to its score, in the night measured last.",
        labels=["instrument", "quantile"],
    )
    quantiles = {"delay_median": "0.5", "delay_p90": "0.9", "delay_max": "1"}
    for (instrument, name), minutes in latest_delays().items():
        if name in quantiles:
            found.add_metric([instrument, quantiles[name]], 60 * minutes)
    return found


def registry(at: dt.datetime) -> CollectorRegistry:
    """Return a registry of its own for one scrape: nothing is counted in a process."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Collector(at))
    return made
