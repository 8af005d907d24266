"""Which pages of profiles have to be written, and whose turn it is. Whole numbers only."""

from collections.abc import Callable, Iterable

import numpy as np

from alerting.watch.row_groups import Bools, Ints


class ProfilePages:
    """Pages that may hold more than what is durable of them.

    They are large, and what they hold changes as windows end, every five minutes: each is written
    once in a round of turns, and only if one of its scopes has learned since. So rounds can be
    short, and a recovery has few windows to learn anew, at 40 us each.
    """

    def __init__(self, pages: int) -> None:
        self._is_touched: Bools = np.zeros(pages, np.bool_)
        self._is_of_others: Bools = np.zeros(pages, np.bool_)

    def touch(self, page: int | Ints) -> None:
        """A scope of it may have learned."""
        self._is_touched[page] = True

    def take_over(self, pages: list[int]) -> None:
        """Others wrote them: they have to be written in any case."""
        self._is_of_others[pages] = True

    def due(self, turn: int, turns: int, has_learned: Callable[[int], bool]) -> list[int]:
        """Those to write now.

        Args:
            turn: which share, 0 to ``turns`` - 1.
            turns: into how many shares they are divided.
            has_learned: whether any scope of a page has.
        """
        pages = []
        for page in range(turn, len(self._is_touched), turns):
            if self._is_touched[page]:
                self._is_touched[page] = has_learned(page)
            if self._is_touched[page] or self._is_of_others[page]:
                pages.append(page)
        return pages

    def written(self, pages: Iterable[int]) -> None:
        """They are durable."""
        number = list(pages)
        self._is_touched[number] = self._is_of_others[number] = False
