"""What the server counts, for Prometheus."""

from collections.abc import Callable

import prometheus_client as prometheus

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters in a registry of their own, so that a process may hold several servers."""

    def __init__(
        self, *, waiting: Callable[[], int], held: Callable[[], int], version: Callable[[], int]
    ) -> None:
        """Starts at zero.

        Args:
            waiting: Counts the images in the queue.
            held: Counts the bytes of bodies that are held.
            version: Gives the version that is served.
        """
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self.requests = prometheus.Counter(
            "kerastl_requests_total",
            "Requests that were answered.",
            ["route", "status"],
            registry=self._registry,
        )
        self.seconds = prometheus.Histogram(
            "kerastl_request_seconds",
            "Time from a request's head to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_images = prometheus.Histogram(
            "kerastl_batch_images",
            "Images of a batch.",
            buckets=_BATCH_SIZES,
            registry=self._registry,
        )
        self._batch_seconds = prometheus.Histogram(
            "kerastl_batch_seconds",
            "Time that a batch took.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.bad_images = prometheus.Counter(
            "kerastl_bad_images_total",
            "Images that could not be decoded.",
            registry=self._registry,
        )
        for name, meaning, count in (
            ("kerastl_queue_images", "Images that wait.", waiting),
            ("kerastl_body_bytes", "Bytes of requests that are being answered.", held),
            ("kerastl_model_version", "The version that is served.", version),
        ):
            prometheus.Gauge(name, meaning, registry=self._registry).set_function(count)

    def observe_batch(self, num_images: int, seconds: float) -> None:
        """Counts a batch."""
        self._batch_images.observe(num_images)
        self._batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """Gives all in Prometheus's text format."""
        return bytes(prometheus.generate_latest(self._registry))

    CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
