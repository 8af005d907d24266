"""Real clients of a production LLM service (ServeGen), as rows of minutes, each at $100 a day.

The data has ten-minute bins; their calls are spread over the minutes at random, with log-normal
sizes around the bin's mean. The data stays outside of the project.
"""

import csv
import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.observation import COST, INPUT_TOKENS, NANOUSD_PER_USD, OUTPUT_TOKENS, REQUESTS
from tests.evaluation.minutes import DAY_MINUTES, Floats, Minutes, sums_of_sizes, whole
from tests.evaluation.scope_run import MONDAY

ROOT = Path(__file__).parents[2]
DATA = "SPENDWATCH_DATA"
BIN_MINUTES = 10
USD_PER_DAY = 100.0
OUTPUT_OVER_INPUT_PRICE = 4.0
"""A token written costs four times a token read, as with most models of 2025."""


def data_folder(chosen: str | None = None) -> Path:
    """Where the public data is: as chosen, else by the environment, else in a folder above."""
    if named := chosen or os.environ.get(DATA):
        return Path(named)
    beside = [parent / "shared" / "data" for parent in ROOT.parents]
    return next((folder for folder in beside if folder.is_dir()), beside[0])


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    Attributes:
        number: in the data.
        requests: per bin.
        input_tokens: of a call, per bin.
        output_tokens: likewise.
    """

    number: int
    requests: Floats
    input_tokens: Floats
    output_tokens: Floats

    @property
    def activity(self) -> float:
        """Share of bins with calls."""
        return float(np.mean(self.requests > 0))

    @property
    def days(self) -> float:
        """That it was watched."""
        return len(self.requests) * BIN_MINUTES / DAY_MINUTES

    def minutes(self, draw: np.random.Generator) -> Minutes:
        """Its minutes, from Monday on."""
        requests = self.requests.astype(np.int64)
        spread = draw.multinomial(requests, [1 / BIN_MINUTES] * BIN_MINUTES).ravel()
        read, written = sums_of_sizes(draw, spread)
        read = read * np.repeat(self.input_tokens, BIN_MINUTES)
        written = written * np.repeat(self.output_tokens, BIN_MINUTES)
        weight = read / OUTPUT_OVER_INPUT_PRICE + written
        cost = weight * (USD_PER_DAY * self.days * NANOUSD_PER_USD / weight.sum())
        amounts = {REQUESTS: spread, COST: cost, INPUT_TOKENS: read, OUTPUT_TOKENS: written}
        return Minutes(MONDAY, {counter: whole(each) for counter, each in amounts.items()})


def clients(folder: Path, model: str = "m-mid") -> Iterator[Client]:
    """Every client of a model that made any call.

    Raises:
        FileNotFoundError: if the data is not there.
    """
    path = folder / "servegen" / "client_10min_m-mid_deepseek.csv.gz"
    bins: dict[int, list[tuple[float, float, float]]] = {}
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines):
            if row["model"] == model:
                bins.setdefault(int(row["client"]), []).append(
                    (
                        float(row["requests"]),
                        float(row["mean_in_tok"] or "nan"),
                        float(row["mean_out_tok"] or "nan"),
                    )
                )
    for number, rows in bins.items():
        requests, read, written = np.array(rows).T
        if requests.sum() > 0:
            yield Client(number, requests, _known(read), _known(written))


def _known(tokens: Floats) -> Floats:
    """Where unknown, the mean of those known."""
    mean = np.nanmean(tokens) if np.isfinite(tokens).any() else 1.0
    return np.where(np.isfinite(tokens) & (tokens > 0), tokens, mean)
