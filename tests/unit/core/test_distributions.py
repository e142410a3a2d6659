"""Quantiles and tails: those of scipy.stats, without loading it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from hotkit.core.distributions import f_quantile, mean_ranks, t_quantile, t_tail, t_tails

DEGREES = (1, 2, 5, 9, 17, 123, 19_999)


@pytest.mark.parametrize("degrees", DEGREES)
def test_they_are_those_of_scipy_stats(degrees):
    for p in (0.001, 0.5, 0.8, 0.95, 0.975):
        assert t_quantile(p, degrees) == stats.t.ppf(p, degrees)
    values = np.array([-3.0, 0.0, 0.3, 2.5, 40.0, 1e3])
    assert list(t_tails(values, degrees)) == list(stats.t.sf(values, degrees))
    assert [t_tail(value, degrees) for value in values] == list(stats.t.sf(values, degrees))
    for above in (1, 2, 5):
        wanted = stats.f.ppf(0.95, above, degrees)
        assert f_quantile(0.95, above, degrees) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("values", [[3.0, 1.0, 2.0], [1.0, 1.0, 0.0, 1.0, 5.0], [2.0], [0.0] * 4])
def test_ranks_share_the_mean_of_equal_values(values):
    assert list(mean_ranks(np.array(values))) == list(stats.rankdata(values))


def test_a_report_does_not_load_scipy_stats():
    """Half a second of every `hotkit report` and `hotkit sweep DIR`."""
    look = "import sys, hotkit.cli.report; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look]).returncode == 0
