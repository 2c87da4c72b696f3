"""The server's metrics, for Prometheus."""

import functools

import prometheus_client as prometheus

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Metrics in a registry of their own, so that a process may run several servers."""

    CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        counter = functools.partial(prometheus.Counter, registry=self._registry)
        histogram = functools.partial(prometheus.Histogram, registry=self._registry)
        gauge = functools.partial(prometheus.Gauge, registry=self._registry)
        self.num_images = 0
        self.requests = counter(
            "kerastl_requests_total", "Requests that were answered.", ["route", "status"]
        )
        self.seconds = histogram(
            "kerastl_request_seconds",
            "Time from the head of a request to the end of its response.",
            ["route"],
            buckets=_SECONDS,
        )
        self.bad_images = counter("kerastl_bad_images_total", "Images that were not decoded.")
        self._batch_images = histogram(
            "kerastl_batch_images", "Number of images in a batch.", buckets=_BATCH_SIZES
        )
        self._batch_seconds = histogram(
            "kerastl_batch_seconds", "Time to compute a batch.", buckets=_SECONDS
        )
        self._queue_images = gauge("kerastl_queue_images", "Images that wait.")
        self._body_bytes = gauge("kerastl_body_bytes", "Bytes of requests that are being answered.")
        self._model_version = gauge("kerastl_model_version", "Version that is served.")

    def observe_batch(self, num_images: int, seconds: float) -> None:
        """Counts a batch."""
        self.num_images += num_images
        self._batch_images.observe(num_images)
        self._batch_seconds.observe(seconds)

    def text(self, *, queue_images: int, body_bytes: int, model_version: int) -> bytes:
        """Returns all metrics in Prometheus's text format, with these current values."""
        self._queue_images.set(queue_images)
        self._body_bytes.set(body_bytes)
        self._model_version.set(model_version)
        return bytes(prometheus.generate_latest(self._registry))
