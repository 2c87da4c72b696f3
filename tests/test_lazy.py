import inspect
import sys

import pytest

from kerastl.lazy import LazyModule


def test_part_of_a_package_is_imported_when_it_is_used():
    sys.modules.pop("wsgiref.validate", None)
    assert callable(LazyModule("wsgiref").validate.validator)


@pytest.mark.parametrize("name", ["json.decoder", "json"])
def test_what_a_module_lacks_is_no_part_of_it(name):
    # So do doctest and others that go through the values of a module.
    assert inspect.unwrap(LazyModule(name)) is not None
    assert not hasattr(LazyModule("json.decoder"), "nothing")
