"""Prometheus metrics of serving; docs/serving.md lists them."""

from prometheus_client import Counter, Gauge, Histogram

from services.classifier.decision import DOUBT

_SECONDS = (0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_MODEL = ["model", "version"]

QUEUE_SECONDS = Histogram(
    "defectory_inference_queue_seconds", "Time that images wait for a core.", _MODEL, buckets=_SECONDS
)
FETCH_SECONDS = Histogram(
    "defectory_inference_fetch_seconds", "Time to read an image by its URI.", _MODEL, buckets=_SECONDS
)
DECODE_SECONDS = Histogram(
    "defectory_inference_decode_seconds", "Time to decode and resize one image.", _MODEL, buckets=_SECONDS
)
COMPUTE_SECONDS = Histogram(
    "defectory_inference_compute_seconds", "Time to compute one batch.", _MODEL, buckets=_SECONDS
)
ENCODE_SECONDS = Histogram(
    "defectory_inference_encode_seconds", "Time to make one answer's message.", _MODEL, buckets=_SECONDS
)
BATCH_IMAGES = Histogram(
    "defectory_inference_batch_images", "Images in a batch.", _MODEL, buckets=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
)

# Of what comes in and what is said of it, against what it was before: a lamp that ages makes pictures darker, and a
# classifier less sure, long before anybody sees it in its decisions.
BRIGHTNESS = Histogram(
    "defectory_inference_brightness", "Mean grey of an image, 0 to 255, as the network sees it.", _MODEL,
    buckets=tuple(range(10, 256, 10)),
)  # fmt: skip
SHARPNESS = Histogram(
    "defectory_inference_sharpness", "Deviation of an image's Laplacian as the network sees it, % of its mean grey.",
    _MODEL, buckets=(1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160),
)  # fmt: skip
UNUSUAL = Counter(
    "defectory_inference_unusual_images_total",
    "Images outside of what 98 of 100 of the training's photographs are; what: brightness or sharpness.",
    [*_MODEL, "what"],
)
TRAINED_ON = Gauge(
    "defectory_model_trained_on",
    "The training's photographs; what: brightness or sharpness, bound: low (1 of 100 below), mean, high (1 above).",
    [*_MODEL, "what", "bound"],
)
CONFIDENCE = Histogram(
    "defectory_inference_confidence", "Calibrated probability of an image's most probable label.", _MODEL,
    buckets=(0.3, 0.4, 0.5, 0.6, DOUBT, 0.8, 0.9, 0.95, 0.99, 1),
)  # fmt: skip
DOUBTFUL_EXPECTED = Gauge(
    "defectory_model_doubtful_expected",
    "Share of answers in doubt on the version's validation images; 0.1 where its card does not say.",
    _MODEL,
)

QUEUED = Gauge("defectory_inference_queue_images", "Images that wait for a core now.")
DROPPED = Counter(
    "defectory_inference_dropped_images_total",
    "Images dropped before they were computed: cancelled or expired.",
    _MODEL,
)
SERVED = Gauge("defectory_model_served", "1 while a version is served; label: default, stable or canary.",
               ["model", "version", "label"])  # fmt: skip
LOAD_FAILURES = Counter("defectory_model_load_failures_total", "Versions that could not be loaded.", _MODEL)


class Timings:
    """The histograms of one version, looked up once: doing so at every call costs as much as observing."""

    def __init__(self, model: str, version: str) -> None:
        self.queue_s = QUEUE_SECONDS.labels(model, version)
        self.fetch_s = FETCH_SECONDS.labels(model, version)
        self.decode_s = DECODE_SECONDS.labels(model, version)
        self.compute_s = COMPUTE_SECONDS.labels(model, version)
        self.encode_s = ENCODE_SECONDS.labels(model, version)
        self.batch_images = BATCH_IMAGES.labels(model, version)
        self.confidence = CONFIDENCE.labels(model, version)
        self.dropped_images = DROPPED.labels(model, version)
