"""What the pages of the lectures (examples/lecture) say of numbers, against SciPy's statistics of the same numbers."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples/lecture"))
import words  # noqa: E402

WITH, WITHOUT = [0.8812, 0.8875, 0.8851], [0.8705, 0.8790, 0.8722]


def test_the_standard_errors_are_those_of_the_t_tests():
    points, error = words.difference(WITH, WITHOUT)
    assert points == pytest.approx(1.07)
    assert points / error == pytest.approx(3.3646246072226162)  # scipy.stats.ttest_ind(equal_var=False).statistic
    points, error = words.paired_difference(WITH, WITHOUT)
    assert points == pytest.approx(1.07)
    assert points / error == pytest.approx(8.42406529135756)  # scipy.stats.ttest_rel().statistic


def test_sentences_follow_the_numbers_whichever_way_they_point():
    assert words.compared(WITH, WITHOUT, "without") == "higher than without by 1.07 ± 0.32 points"
    assert words.compared(WITHOUT, WITH, "with") == "lower than with by 1.07 ± 0.32 points"
    assert words.compared(WITH, [0.87, 0.89, 0.88], "x") == "not told apart from x (+0.46 ± 0.61 points)"
    assert words.compared(WITH, WITH, "itself") == "not told apart from itself (+0.00 ± 0.26 points)"
    assert words.compared([0.9], [0.5, 0.5], "others") == "not told apart from others (+40.00 ± inf points)"
    assert words.paired_numbers([0.5, 0.6], [0.7, 0.9], "b") == "lower than b by 0.25 ± 0.05"
    assert (words.percent([0.5]), words.percent([0.4, 0.5])) == ("50.00 (one run)", "45.00 ± 7.07")
    with pytest.raises(ValueError):
        words.paired(WITH, WITHOUT[:2], "a missing pair")


def test_the_share_of_the_variance_is_that_of_an_analysis_of_variance():
    grid = [[0.50, 0.52, 0.51], [0.86, 0.85, 0.87], [0.10, 0.12, 0.30]]
    cells = [(rate, decay, grid[rate][decay]) for rate in range(3) for decay in range(3)]
    # F * 2 / (F * 2 + 6), with F of scipy.stats.f_oneway over the rows, then over the columns.
    assert words.explained([(rate, y) for rate, _, y in cells]) == pytest.approx(0.9663033909110227)
    assert words.explained([(decay, y) for _, decay, y in cells]) == pytest.approx(0.012962569442336301)
    assert words.explained([(0, 0.5), (1, 0.5)]) == 0
