"""What a worker exposes at ``/metrics``, as Prometheus would read it."""

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.worker import Worker


class Samples:
    """The samples of one scrape.

    Args:
        text: the exposition.
    """

    def __init__(self, text: str) -> None:
        self._samples = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        """Of all samples of this name that have these labels; 0 if there are none."""
        return sum(
            value
            for known, has, value in self._samples
            if known == name and labels.items() <= has.items()
        )


async def scrape(worker: Worker, session: aiohttp.ClientSession) -> Samples:
    """One scrape of a running worker.

    Raises:
        aiohttp.ClientError, TimeoutError, OSError: it does not answer.
    """
    url = (await worker.said("worker_listens"))["url"]
    async with session.get(f"{url}/metrics") as answer:
        return Samples(await answer.text())
