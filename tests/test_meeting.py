import io
import re
import socket
import threading

import pytest

from joint_training import free_port
from kerastl import meeting
from kerastl.cluster import Cluster
from kerastl.errors import KerastlError, UsageError
from kerastl.meeting import meet
from kerastl.progress import Progress


@pytest.fixture
def hosts():
    return tuple(f"127.0.0.1:{free_port()}" for _ in range(3))


def test_machines_meet_however_late_one_comes_and_it_is_named(hosts, monkeypatch):
    monkeypatch.setattr(meeting, "SECONDS_UNTIL_SAID", 0.2)
    printed = [io.StringIO() for _ in hosts]
    servers = []

    def join(worker):
        meet(Cluster(hosts, worker), Progress(printed[worker]))
        # As TensorFlow's server takes the port over.
        servers.append(socket.create_server(("", int(hosts[worker].rpartition(":")[2]))))

    threads = [threading.Thread(target=join, args=(worker,)) for worker in range(3)]
    for one in threads[:2]:
        one.start()
    threads[0].join(2)
    assert threads[0].is_alive()
    assert threads[1].is_alive()
    threads[2].start()
    for one in threads:
        one.join(20)
        assert not one.is_alive()
    assert printed[0].getvalue() == f"Waiting for {hosts[2]} (Connection refused).\n"
    assert printed[2].getvalue() == ""
    for server in servers:
        server.close()


def test_machines_that_never_come_are_named_with_the_reason(hosts):
    with pytest.raises(KerastlError, match=r"^workers: 2 machines did not come within 0 min") as no:
        meet(Cluster((hosts[0], hosts[1], "no.example:1"), 0), Progress(), most_seconds=0)
    assert f"{hosts[1]} (Connection refused), no.example:1 (" in str(no.value)
    assert "\n" not in str(no.value)


def test_a_port_in_use_is_named(hosts):
    with socket.create_server(("127.0.0.1", int(hosts[1].rpartition(":")[2]))):
        words = f"^workers='.*': the port of {re.escape(hosts[1])} cannot be used on this machine "
        with pytest.raises(UsageError, match=words):
            meet(Cluster(hosts, 1), Progress())
