import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from kerastl.serving.batching import BadImagesError, Batcher, QueueFullError
from serving_client import model_of

PNG = b"\x89PNG%dIEND"


@pytest.fixture
def batches():
    return []


@pytest.fixture
def model(batches):
    """Returns each value; notes the batches; refuses values with "bad" as a graph does."""

    def compute(values):
        batches.append(list(values))
        bad = [place for place, value in enumerate(values) if b"bad" in value]
        if bad:
            places = " ".join(map(str, bad))
            raise tf.errors.InvalidArgumentError(
                None,
                None,
                f"assertion failed: [image_bytes: no image that can be decoded at "
                f"index] [{places}]",
            )
        return {"value": values}

    return model_of(compute)


@pytest.fixture
def batcher():
    batcher = Batcher(max_batch_size=4, wait_seconds=0, queue_size=8)
    yield batcher
    batcher.close()


def values_of(submission):
    return [outputs["value"] for outputs in submission.result.result(10)]


def test_what_waits_while_a_batch_is_computed_is_the_next_batch(batcher, blocker, model, batches):
    blocker.block(batcher)
    requests = [batcher.submit(model, "only", [PNG % number]) for number in range(6)]
    assert batcher.num_waiting == 6
    blocker.release.set()
    assert [values_of(request) for request in requests] == [[PNG % number] for number in range(6)]
    assert [len(batch) for batch in batches] == [4, 2]


def test_request_of_more_images_than_a_batch_is_answered_whole(batcher, model, batches):
    values = [PNG % number for number in range(7)]
    assert values_of(batcher.submit(model, "only", values)) == values
    assert sum(map(len, batches)) == 7
    assert max(map(len, batches)) <= 4


def test_full_queue_takes_no_part_of_a_request(batcher, blocker, model):
    blocker.block(batcher)
    kept = batcher.submit(model, "only", [PNG % 0] * 6)
    with pytest.raises(QueueFullError):
        batcher.submit(model, "only", [PNG % 1] * 3)
    batcher.submit(model, "only", [PNG % 2] * 2)
    blocker.release.set()
    assert len(values_of(kept)) == 6


def test_withdrawn_request_frees_its_places(batcher, blocker, model, batches):
    blocker.block(batcher)
    gone = batcher.submit(model, "only", [PNG % 0] * 8)
    batcher.withdraw(gone)
    assert batcher.num_waiting == 0
    kept = batcher.submit(model, "only", [PNG % 1] * 8)
    blocker.release.set()
    assert len(values_of(kept)) == 8
    assert not any(PNG % 0 in batch for batch in batches)


def test_bad_image_fails_its_own_request_alone(batcher, blocker, model):
    blocker.block(batcher)
    first = batcher.submit(model, "only", [PNG % 0])
    second = batcher.submit(model, "only", [PNG % 1, b"\x89PNGbadIEND", PNG % 2])
    blocker.release.set()
    assert values_of(first) == [PNG % 0]
    with pytest.raises(BadImagesError) as caught:
        second.result.result(10)
    assert caught.value.indices == [1]


def test_all_bad_images_of_a_request_over_several_batches_are_named(batcher, model):
    values = [b"\x89PNGbadIEND" if number in (0, 3, 6) else PNG % number for number in range(8)]
    with pytest.raises(BadImagesError) as caught:
        batcher.submit(model, "only", values).result.result(10)
    assert caught.value.indices == [0, 3, 6]


def test_refusal_that_names_no_image_is_traced_to_it(batcher, blocker):
    def compute(values):
        if b"x" in values:
            raise tf.errors.InvalidArgumentError(None, None, "somewhere")
        return {"value": values}

    model = model_of(compute)
    blocker.block(batcher)
    requests = [batcher.submit(model, "only", [value]) for value in (b"a", b"x", b"c")]
    blocker.release.set()
    assert values_of(requests[0]) == [b"a"]
    assert values_of(requests[2]) == [b"c"]
    with pytest.raises(BadImagesError, match="somewhere"):
        requests[1].result.result(10)


def test_files_that_look_damaged_spoil_no_batch_of_sound_ones(batcher, blocker, model, batches):
    blocker.block(batcher)
    damaged = batcher.submit(model, "only", [b"\x89PNGbad and cut off"])
    sound = batcher.submit(model, "only", [PNG % 1])
    text = batcher.submit(model, "only", [b"bad text"])
    blocker.release.set()
    assert values_of(sound) == [PNG % 1]
    for request in (damaged, text):
        with pytest.raises(BadImagesError):
            request.result.result(10)
    assert batches == [[b"\x89PNGbad and cut off", b"bad text"], [PNG % 1]]


def test_models_and_sizes_of_pixels_share_no_batch(batcher, blocker):
    batches = []

    def give_back(values):
        batches.append([value.shape for value in values])
        return {"value": values}

    small, wide = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 5, 3), np.uint8)
    first, second = model_of(give_back), model_of(give_back)
    blocker.block(batcher)
    asked = [(first, small), (first, wide), (second, small), (first, small), (second, small)]
    requests = [batcher.submit(model, "only", [value]) for model, value in asked]
    blocker.release.set()
    for request, (_, value) in zip(requests, asked, strict=True):
        assert values_of(request)[0].shape == value.shape
    assert batches == [[small.shape] * 2, [wide.shape], [small.shape] * 2]


def test_failure_is_reported_and_the_worker_goes_on(batcher, model, capsys):
    def compute(values):
        raise ZeroDivisionError("of a bug")

    with pytest.raises(ZeroDivisionError):
        batcher.submit(model_of(compute), "only", [b""]).result.result(10)
    assert values_of(batcher.submit(model, "only", [PNG % 1])) == [PNG % 1]
    assert "of a bug" in capsys.readouterr().err


def test_closing_answers_what_waits(blocker, model):
    batcher = Batcher(max_batch_size=2, wait_seconds=0, queue_size=8)
    blocker.block(batcher)
    request = batcher.submit(model, "only", [PNG % number for number in range(5)])
    closing = threading.Thread(target=batcher.close)
    closing.start()
    blocker.release.set()
    closing.join(10)
    assert request.result.done()
    assert len(values_of(request)) == 5


def test_lone_client_never_waits_and_several_are_waited_for(model, batches):
    batcher = Batcher(max_batch_size=4, wait_seconds=5, queue_size=8)
    started = time.monotonic()
    for number in range(3):
        values_of(batcher.submit(model, "only", [PNG % number]))
    values_of(batcher.submit(model, "only", [PNG % number for number in range(2)]))
    # The batch before had two images, so now the first one waits for another.
    first = batcher.submit(model, "only", [PNG % 7])
    time.sleep(0.05)
    assert not first.result.done()
    second = batcher.submit(model, "only", [PNG % 8])
    assert values_of(first) + values_of(second) == [PNG % 7, PNG % 8]
    assert batches[-1] == [PNG % 7, PNG % 8]
    batcher.close()
    assert time.monotonic() - started < 4
