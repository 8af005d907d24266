"""The names of one delta partition: each has a number and its pages, and some are admitted.

Numbers are small and dense, so that columns of numpy can be indexed by them; they are of this
process only and never written. How many names of a kind are admitted is bounded; what is beyond
goes to the environment's ``__other__``. This file must not count.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from detectors.scope import DEFAULT_ENVIRONMENT, OTHER, Scope
from stream.delta import DeltaRows
from stream.watch.bounds import Bounds
from stream.watch.pages import page_of

UNKNOWN = -1
"""Instead of a number: a name that has none yet, or that is not admitted."""


class Roster:
    """Names and numbers; admission by kind.

    Attributes:
        texts: number to name.
        admitted: name to number, of the scopes that have a state.
        members: live page to the names admitted to it, in the order of admission.
        history_page: number to page of the tables of hours and days.
    """

    def __init__(self, bounds: Bounds, pages: int, history_pages: int) -> None:
        """Nobody known.

        Args:
            bounds: names per kind.
            pages: live pages of the partition.
            history_pages: pages of an hour or a day.
        """
        self.texts: list[str] = []
        self.admitted: dict[str, int] = {}
        self.members: defaultdict[int, list[str]] = defaultdict(list)
        self.history_page: NDArray[np.int64] = np.zeros(64, np.int64)
        self.page: NDArray[np.int64] = np.zeros(64, np.int64)
        self._bounds = bounds
        self._pages = pages
        self._history_pages = history_pages
        self._number_of: dict[str, int] = {}
        self._names: defaultdict[str, int] = defaultdict(int)
        self._others: defaultdict[str, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self.texts)

    def number(self, text: str) -> int:
        """The number of a name; a new name gets the next."""
        number = self._number_of.get(text)
        if number is None:
            number = self._number_of[text] = len(self.texts)
            self.texts.append(text)
            if number >= len(self.page):
                more = np.zeros_like(self.page)
                self.page = np.concatenate((self.page, more))
                self.history_page = np.concatenate((self.history_page, more))
            self.page[number] = page_of(text, self._pages)
            self.history_page[number] = page_of(text, self._history_pages)
        return number

    def enter(self, text: str, scope: Scope) -> int:
        """Admit a scope that has a state from now on."""
        number = self.admitted[text] = self.number(text)
        self.members[int(self.page[number])].append(text)
        if not scope.is_other:
            self._names[scope.kind] += 1
        elif scope.environment != DEFAULT_ENVIRONMENT:  # that one is always admitted
            self._others[scope.kind] += 1
        return number

    def admit(self, text: str) -> str:
        """The scope that takes a row: its own, or beyond the bound its environment's other.

        Environments are as many as producers please, so their others have the same bound, and
        beyond it one other takes all: what is kept is bounded and still adds up to the total.
        """
        if text in self.admitted:
            return text
        kind, _, rest = text.partition(":")
        bound = self._bounds.of(kind)
        if self._names[kind] < bound:
            return text
        other = f"{kind}:{OTHER}"
        _, at, environment = rest.partition("@")
        of_environment = f"{other}{at}{environment}"
        if of_environment in self.admitted or self._others[kind] < bound:
            return of_environment
        return other

    def numbers(self, rows: DeltaRows) -> NDArray[np.int64]:
        """Per row the number of the scope that takes it, or ``UNKNOWN`` if that has no state."""
        names = list(map(rows.names.__getitem__, rows.scope.tolist()))
        found = list(map(self.admitted.get, names))
        if None in found:
            found = [
                self.admitted.get(self.admit(name), UNKNOWN) if number is None else number
                for name, number in zip(names, found, strict=True)
            ]
        return np.array(found, np.int64)
