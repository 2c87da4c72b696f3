import time

from kerastl.outputs import stages
from kerastl.outputs.stages import Stages


def test_stages_go_on_where_an_earlier_process_was(monkeypatch):
    memory = {"process": 100}
    monkeypatch.setattr(stages, "peak_memory", lambda: dict(memory))
    first = Stages(time.monotonic() - 10)
    first.end("preparation")
    memory["process"] = 300
    first.end("head")
    known = first.state()

    memory["process"] = 200
    other = Stages(time.monotonic() - 5)
    other.add(known)
    other.end("preparation")
    other.end("head")
    memory["process"] = 250
    other.end("finetune")
    assert 5 <= other.seconds < 10
    found = other.describe({"head": 3.0})
    assert 15 <= found["seconds"]["preparation"] < found["seconds"]["all"] < 20
    assert found["seconds"]["head"] == 3
    # The highest of each, in whichever process that was.
    peaks = {name: peak["process"] for name, peak in found["peak_memory_bytes"].items()}
    assert peaks == {"preparation": 200, "head": 300, "finetune": 250}
