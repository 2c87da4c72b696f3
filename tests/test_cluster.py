import json

import pytest

from kerastl.cluster import Cluster, check_alone, find_cluster
from kerastl.errors import UsageError
from kerastl.replicas import check_batch, share
from kerastl.settings import DeviceSettings

TWO = ("a:1", "b:1")


def from_variable(**given):
    return find_cluster(DeviceSettings(), {"TF_CONFIG": json.dumps(given)})


def test_machines_come_from_the_flags_or_from_the_variable():
    assert find_cluster(DeviceSettings(), {}) == Cluster()
    assert find_cluster(DeviceSettings(workers="a:1, b:1", worker=1), {}) == Cluster(TWO, 1)
    workers = {"worker": list(TWO)}
    assert from_variable(cluster=workers, task={"type": "worker", "index": 1}) == Cluster(TWO, 1)
    # As of Vertex AI.
    chief = {"chief": ["c:1"], "worker": list(TWO)}
    hosts = ("c:1", *TWO)
    assert from_variable(cluster=chief, task={"type": "worker", "index": 1}) == Cluster(hosts, 2)
    assert from_variable(cluster=chief, task={"type": "chief", "index": 0}) == Cluster(hosts, 0)
    given = {"TF_CONFIG": json.dumps({"cluster": chief, "task": {"type": "chief", "index": 0}})}
    assert find_cluster(DeviceSettings(workers="a:1,b:1"), given) == Cluster(TWO, 0)


def test_a_cluster_of_one_is_this_machine_alone():
    assert from_variable(cluster={"worker": ["a:1"]}, task={"type": "worker", "index": 0}) == (
        Cluster()
    )
    assert from_variable(task={"type": "worker", "index": 0}) == Cluster()
    assert find_cluster(DeviceSettings(workers="a:1"), {}) == Cluster()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker"}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_variable_that_cannot_be_used_is_named(text):
    with pytest.raises(UsageError, match=r"^TF_CONFIG: ") as caught:
        find_cluster(DeviceSettings(), {"TF_CONFIG": text})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"devices": "0"}, "devices='0': is not a number of devices. Use 1 or all."),
        ({"devices": "some"}, "devices='some': is not a number of devices. Use 1 or all."),
        ({"workers": "a"}, "workers='a': 'a' is not HOST:PORT."),
        ({"workers": "a:99999"}, "workers='a:99999': 'a:99999' is not HOST:PORT."),
        ({"workers": "a:1,a:1"}, "workers='a:1,a:1': names one twice."),
        ({"workers": "a:1,b:1", "worker": 2}, "worker=2: is not a place in .*Use 0 to 1."),
        ({"worker": 1}, "worker=1: is not a place in workers=''. Give --workers too."),
    ],
)
def test_wrong_devices_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        DeviceSettings(**given)


@pytest.mark.parametrize("given", [{"devices": "2"}, {"devices": "all"}, {"workers": "a:1,b:1"}])
def test_a_search_trains_on_one_device(given):
    check_alone(DeviceSettings(), command="tune")
    with pytest.raises(UsageError, match="is for kerastl train, not for tune"):
        check_alone(DeviceSettings(**given), command="tune")


@pytest.mark.parametrize(
    ("batch_size", "count", "advice"),
    [(50, 4, "Use 48 or 52"), (3, 4, "Use 4"), (65, 2, "Use 64 or 66")],
)
def test_a_batch_that_does_not_divide_is_refused_with_the_nearest_that_do(
    batch_size, count, advice
):
    check_batch(4 * count, count)
    with pytest.raises(UsageError, match=rf"^batch_size={batch_size}: .*\. {advice}\.$"):
        check_batch(batch_size, count)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [0, 1, 5, 64])
def test_shares_have_each_row_once_and_hardly_differ(rows, count):
    parts = [list(range(rows))[share(rows, place, count)] for place in range(count)]
    assert [row for part in parts for row in part] == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
