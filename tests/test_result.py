import pytest

from kerastl.result import test_lines as lines_of_test


def metrics(num_images, low, high):
    test = {
        "accuracy": 0.9,
        "accuracy_low": low,
        "accuracy_high": high,
        "num_images": num_images,
        "baseline_accuracy": 0.5,
        "baseline_class": "cat",
    }
    return {"highest_validation_accuracy": {"head": 0.9}, "test": test}


@pytest.mark.parametrize(("low", "high", "is_few"), [(0.84, 0.93, True), (0.88, 0.92, False)])
def test_few_test_images_are_said_to_be_few(low, high, is_few):
    *others, last = lines_of_test(metrics(57, low, high))
    assert last == f"Test accuracy 0.9000 ({low:.4f}-{high:.4f}) on 57 images"
    few = "The accuracy is uncertain: 57 test images are few. Label more, or test on more of them "
    assert (f"{few}with --test_fraction." in others) == is_few
