"""Metrics that are read, at each scrape, from what the parts of a process count themselves."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.services.authentication import Authenticator
from server.services.sweeper import Swept
from server.services.uploads import Uploads
from server.storage.connection import Postgres
from server.storage.egress import HttpEgress
from server.storage.jobs import IMPORTS_QUEUE, QUEUE, JobCounts, PostgresJobs, Queue
from server.storage.spool import DiskSpool
from server.worker_loops import Counts


class Reading(Collector):
    """A collector that calls a function for its metrics."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Called by Prometheus' client, from a thread of its own."""
        return self._read()


def counter(name: str, told: str, value: float) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(name, told, value=value)


def counters(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    """A counter for each value of one label."""
    family = CounterMetricFamily(name, told, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family


def gauge(name: str, told: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, told, value=value)


def gauges(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge for each value of one label."""
    family = GaugeMetricFamily(name, told, labels=[label])
    for value, measured in sorted(values.items()):
        family.add_metric([value], measured)
    return family


# Of each pool of connections: the metric, what it tells, what psycopg_pool calls it, and what that is multiplied by.
_POOL_GAUGES = (
    ("scorm_database_pool_size", "Connections that the pool may have", "pool_max"),
    ("scorm_database_pool_idle", "Connections that nobody uses", "pool_available"),
    ("scorm_database_pool_waiting", "Callers who wait for a connection", "requests_waiting"),
)
_POOL_COUNTERS = (
    ("scorm_database_pool_taken", "Connections asked for", "requests_num", 1),
    ("scorm_database_pool_wait_seconds", "Time that callers waited for connections", "requests_wait_ms", 0.001),
    ("scorm_database_pool_refused", "Callers who got no connection", "requests_errors", 1),
    ("scorm_database_connections_lost", "Connections found broken", "connections_lost", 1),
)


def databases(found: Mapping[str, Postgres]) -> Iterator[Metric]:
    """The pools of connections, and what went over them, by the role that Postgres sees."""
    pools = {role: postgres.pool for role, postgres in found.items()}
    for name, told, key in _POOL_GAUGES:
        yield gauges(name, told, "database_role", {role: pool.get(key, 0) for role, pool in pools.items()})
    for name, told, key, unit in _POOL_COUNTERS:
        yield counters(name, told, "database_role", {role: pool.get(key, 0) * unit for role, pool in pools.items()})
    trips = {role: postgres.traffic.round_trips for role, postgres in found.items()}
    yield counters("scorm_database_round_trips", "Pipelines and commits sent to Postgres", "database_role", trips)
    statements = {role: postgres.traffic.statements for role, postgres in found.items()}
    yield counters("scorm_database_statements", "Statements of stores", "database_role", statements)


def key_cache(authenticator: Authenticator) -> Iterator[Metric]:
    """How often an API key was known, and how often it had to be looked up."""
    values = {"hit": authenticator.hits, "miss": authenticator.misses}
    yield counters("scorm_key_cache_lookups", "API keys judged, by whether they were known", "result", values)


def enqueued_jobs(jobs: PostgresJobs) -> Iterator[Metric]:
    """Jobs that this process asked for."""
    yield counters("scorm_jobs_enqueued", "Jobs asked for, by task", "task", jobs.enqueued)


def uploads(running: Uploads, spool: DiskSpool) -> Iterator[Metric]:
    """Uploads on their way, how they ended, and the disk that they take."""
    yield gauge("scorm_uploads_running", "Uploads on their way, their clean-up included", running.running)
    yield counters("scorm_uploads_ended", "Uploads ended, by how", "outcome", running.outcomes)
    yield counter("scorm_uploads_received_bytes", "Bytes of packages that arrived", spool.received_bytes)
    yield gauge("scorm_spool_used_bytes", "Disk that uploads on their way have reserved", spool.reserved_bytes)
    yield gauge("scorm_spool_budget_bytes", "Disk that they may use together", spool.budget_bytes)


def egress(used: HttpEgress) -> Iterator[Metric]:
    """Where requests to customers' URLs did not go."""
    yield counters("scorm_egress_refused", "URLs of customers refused, by why", "reason", used.refused)


def worker(counts: Counts) -> Iterator[Metric]:
    """What the worker's loops do."""
    yield counters("scorm_worker_loop_turns", "Turns of loops that ended well", "loop", counts.turns)
    yield counters("scorm_worker_loop_failures", "Turns of loops that failed", "loop", counts.failures)
    yield from _jobs(counts.job_runs)
    yield from _queues({name: counts.queues.get(name, Queue()) for name in (QUEUE, IMPORTS_QUEUE)})
    yield from _sweeper(counts.swept)


def _jobs(ran: JobCounts) -> Iterator[Metric]:
    yield counters("scorm_jobs_succeeded", "Jobs done, by task", "task", ran.succeeded)
    yield counters("scorm_jobs_failed", "Runs of jobs that failed, to be tried again, by task", "task", ran.failed)
    yield counters("scorm_jobs_retried", "Runs of jobs that had failed before, by task", "task", ran.retried)


def _queues(found: Mapping[str, Queue]) -> Iterator[Metric]:
    waiting = {name: queue.waiting for name, queue in found.items()}
    yield gauges("scorm_jobs_waiting", "Jobs that wait, for their turn or for another try", "queue", waiting)
    running = {name: queue.running for name, queue in found.items()}
    yield gauges("scorm_jobs_running", "Jobs that run", "queue", running)
    oldest = {name: queue.oldest_seconds for name, queue in found.items()}
    yield gauges("scorm_jobs_oldest_seconds", "Time since the oldest of them was enqueued", "queue", oldest)


def _sweeper(swept: Swept) -> Iterator[Metric]:
    yield counter("scorm_sweeper_claimed", "Dead uploads claimed for clean-up, again at each pass", swept.claimed)
    yield counter("scorm_sweeper_swept", "Dead uploads cleaned up after", swept.swept)
    yield counter("scorm_sweeper_left", "Dead uploads left to the next pass by a failure", swept.left)
    yield counter(
        "scorm_sweeper_removed_objects", "Objects removed of dead uploads and packages", swept.removed_objects
    )
