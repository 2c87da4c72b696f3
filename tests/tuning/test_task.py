import os

import pytest

from kerastl.errors import UsageError
from kerastl.tuning import task
from kerastl.tuning.task import find_role


def test_roles_are_those_of_keras_tuners_variables():
    names = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")
    values = dict(zip(names, ("127.0.0.1", "8000", "chief"), strict=True))
    assert task.is_chief(find_role(values))
    assert task.is_worker(find_role(values | {names[2]: "tuner7"}))
    alone = find_role({})
    assert not task.is_chief(alone)
    assert not task.is_worker(alone)
    # The name alone, as keras-tuner takes it, is no search on several machines.
    assert find_role({names[2]: "chief"}) == alone
    for missing in names:
        if missing != names[2]:
            partial = {name: value for name, value in values.items() if name != missing}
            with pytest.raises(
                UsageError, match=f"^{missing}='': is not set, as KERASTUNER_ORACLE"
            ):
                find_role(partial)
    with pytest.raises(UsageError, match=r"^KERASTUNER_TUNER_ID='': is not set"):
        find_role({name: values[name] for name in names[:2]})


def test_keras_tuner_does_not_see_the_variables(monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with task.without_variables():
        assert "KERASTUNER_ORACLE_IP" not in os.environ
    assert os.environ["KERASTUNER_ORACLE_IP"] == "127.0.0.1"
