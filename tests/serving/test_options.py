import pytest

from kerastl.errors import UsageError
from kerastl.serving.options import Limits, PredictOptions, ServeOptions


@pytest.mark.parametrize(
    ("group", "name", "value", "message"),
    [
        (ServeOptions, "port", 65536, "port=65536: must be at least 0 and at most 65535."),
        (ServeOptions, "port", -1, "port=-1: must be at least 0 and at most 65535."),
        (Limits, "max_batch_size", 0, "max_batch_size=0: must be at least 1 and at most 4096."),
        (Limits, "queue_size", -1, "queue_size=-1: must be at least 1"),
        (Limits, "max_body_mb", 0, "max_body_mb=0: must be above 0"),
        (Limits, "batch_wait_ms", 1001, "batch_wait_ms=1001: must be at least 0 and at most 1000."),
        (PredictOptions, "top_k", 0, "top_k=0: must be at least 1"),
        (PredictOptions, "batch_size", 0, "batch_size=0: must be at least 1"),
        (PredictOptions, "labels_from", "name", "labels_from='name': is not one of its choices."),
        (
            PredictOptions,
            "output",
            "x.txt",
            "output='x.txt': has an unknown ending. Use one",
        ),
    ],
)
def test_wrong_value_is_refused(group, name, value, message):
    with pytest.raises(UsageError) as caught:
        group(**{name: value})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("output", ["", "a.csv", "b/c.JSONL", "d.parquet"])
def test_known_outputs_are_accepted(output):
    assert PredictOptions(output=output).output == output
