import numpy as np
import pytest

from kerastl.selection.power_law import fit_power_law

IMAGES = np.array([50.0, 100, 250, 500, 1000])
EVEN = np.full(5, 0.01)


@pytest.mark.parametrize(
    ("scale", "exponent", "floor"), [(2.0, 0.3, 0.1), (1.5, 0.5, 0.25), (0.9, 0.1, 0.0)]
)
def test_curve_without_noise_is_found_again(scale, exponent, floor):
    errors = scale * IMAGES**-exponent + floor
    law = fit_power_law(IMAGES, errors[None], EVEN)
    assert (law.scale[0], law.exponent[0]) == pytest.approx((scale, exponent))
    assert law.floor[0] == pytest.approx(floor, abs=1e-9)
    expected = 1 - scale * 4000.0**-exponent - floor
    assert law.accuracy(np.array([4000.0])) == pytest.approx(expected)


def test_nothing_is_below_zero_whatever_the_errors():
    rng = np.random.default_rng(0)
    # Rising errors, errors that fall to nothing, errors of nothing, and noise.
    errors = np.stack(
        [np.linspace(0.1, 0.5, 5), 0.5 * IMAGES**-1.5, np.zeros(5), *rng.uniform(size=(50, 5))]
    )
    law = fit_power_law(IMAGES, errors, EVEN)
    for values in (law.scale, law.exponent, law.floor):
        assert (values >= 0).all()
    sizes = np.geomspace(10, 1e6, 20)
    assert (np.diff(law.accuracy(sizes), axis=1) >= 0).all()
    assert (law.accuracy(sizes) <= 1).all()
    # Where more images never helped, none are expected to.
    assert np.ptp(law.accuracy(sizes)[0]) == 0


def test_best_fit_is_no_worse_than_a_search():
    rng = np.random.default_rng(1)
    errors = 1.2 * IMAGES**-0.4 + 0.1 + rng.normal(size=5) * 0.005
    law = fit_power_law(IMAGES, errors[None], np.full(5, 0.01))
    own = np.sum((1 - law.accuracy(IMAGES)[0] - errors) ** 2)
    tried = [
        np.sum((scale * IMAGES**-exponent + floor - errors) ** 2)
        for scale in np.linspace(0.2, 4, 40)
        for exponent in np.linspace(0.05, 1.5, 40)
        for floor in np.linspace(0, 0.4, 40)
    ]
    assert own <= min(tried)


def test_one_bad_size_moves_little():
    errors = 1.5 * IMAGES**-0.3 + 0.1
    spoilt = errors + np.array([0, 0.15, 0, 0, 0])
    images = np.array([2000.0])
    (clean,), (robust,) = (
        fit_power_law(IMAGES, e[None], EVEN).accuracy(images)[0] for e in (errors, spoilt)
    )
    assert abs(robust - clean) < 0.01


def test_sizes_that_are_known_better_count_more():
    errors = 1.5 * IMAGES**-0.3 + np.array([0.1, 0, 0, 0, 0])
    doubt = np.array([0.1, 0.01, 0.01, 0.01, 0.01])
    (even,), (weighed,) = (
        fit_power_law(IMAGES, errors[None], deviations).exponent for deviations in (EVEN, doubt)
    )
    assert abs(weighed - 0.3) < 0.1 < abs(even - 0.3)
