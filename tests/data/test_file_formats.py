import pytest

from kerastl.data.file_formats import FORMATS, find_format
from picture_files import every_kind

DECODED = [one for one in FORMATS if one.is_decoded]


@pytest.mark.parametrize("kind", every_kind())
def test_whole_file_is_known_by_its_first_bytes_and_its_tail(kind):
    content = every_kind()[kind]
    found = find_format(content)
    assert found.is_decoded
    assert found.name.lower() in kind
    assert found.tail in content[-16:]


def test_ending_stands_for_one_format():
    endings = [ending for one in DECODED for ending in one.endings]
    assert len(endings) == len(set(endings))
    assert all(one.endings for one in DECODED)
    assert not any(one.endings for one in FORMATS if not one.is_decoded)


def test_unknown_bytes_have_no_format():
    assert find_format(b"") is None
    assert find_format(b"plain text") is None
