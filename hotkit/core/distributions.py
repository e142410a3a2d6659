"""Quantiles and tails by scipy.special: what scipy.stats computes, without its half second to load.

Every `hotkit report` loads this; the figures are the same to the last bit (a test holds that).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


def t_quantile(p: float, degrees: float) -> float:
    """The value below which Student's t lies with probability p; nan for degrees below 1."""
    return float(special.stdtrit(degrees, p))


def t_tail(value: float, degrees: float) -> float:
    """The probability that Student's t lies above the value."""
    return float(special.stdtr(degrees, -value))


def t_tails(values: Floats, degrees: float) -> Floats:
    """The same for each of many values."""
    return np.asarray(special.stdtr(degrees, -values), dtype=np.float64)


def f_quantile(p: float, degrees_above: float, degrees_below: float) -> float:
    """The value below which F lies with probability p."""
    return float(special.fdtri(degrees_above, degrees_below, p))


def mean_ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
