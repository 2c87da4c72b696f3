import numpy as np
from sklearn import datasets

from kerastl.data.builtin import read_digits
from kerastl.data.images import decode


def test_digits_are_scikit_learns_images_in_eight_bits():
    digits = read_digits()
    original = datasets.load_digits()
    assert len(digits) == 1797
    assert digits.class_names == tuple("0123456789")
    assert np.array_equal(digits.labels, original.target)
    assert digits.labels.dtype == np.int64
    assert len(set(digits.examples)) == 1797
    assert set(digits.given_splits) == {"train"}
    for index in (0, 7, 1796):
        pixels = decode(digits.read(index)).numpy()
        expected = np.round(original.images[index] * 255 / 16)
        assert np.array_equal(pixels, np.repeat(expected[..., np.newaxis], 3, axis=-1))
        assert digits.examples[index] == f"digits[{index}]"
