"""Expected spend and spread of one scope, from its own past windows: the EWMA baseline.

Also how two baselines speak with one voice (``combine_bands``). Alerting thresholds in dollars are
not decided here (``spike.py``), and neither is which windows may be learned (``alerting``).
"""

from detectors.signal import Band


def combine_bands(ewma: Band | None, seasonal: Band | None) -> Band | None:
    """The band above which *both* baselines find a window unusual.

    The one with the higher upper edge speaks, expectation and source included. A baseline that is
    warming up has no say; if both are, the answer is ``None``.
    """
    if ewma is None or seasonal is None:
        return ewma if seasonal is None else None
    return seasonal if seasonal.upper_nanousd > ewma.upper_nanousd else ewma
