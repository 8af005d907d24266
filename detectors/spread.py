"""How far a series usually is from what was expected of it: the unit of its residuals.

Robust, since anomalies are what it must not learn: every size is cut off at five spreads. Must not
collapse, either: of a series that stands at zero most of the time the mean residual is nothing, and
its usual moves would be enormous; so the spread of its moves is a floor.

Source:
    Huber 1964 (winsorised means).
"""

HOURS = 24

OUTER = 5.0
"""Spreads at which a size is cut off before it is learned."""

FLOOR = 0.7
"""Share of the usual move below which no spread falls; a series that moves every row is above."""

FEW_MOVES = 10
"""So many moves of a series that stood still are taken for usual: three spreads each at most."""

RESIDUAL, SEASON, MOVE, ACTIVE = 0.01, 0.003, 0.005, 0.01
"""Weights of a new size: of the last 100 rows, 330, 200, and of 100 rows that moved."""


class Spreads:
    """Of one series: residual (also by hour of day), distance from the season, move.

    Args:
        unit: smallest size that means anything, in the series' unit.
        residual: first guess of a residual's size.
        season: of a distance from the season.
        move: of a difference between two rows.
    """

    __slots__ = (
        "_active",
        "_by_hour",
        "_move",
        "_moves",
        "_residual",
        "_season",
        "_unit",
        "move",
        "residual",
        "season",
    )

    def __init__(self, unit: float, residual: float, season: float, move: float) -> None:
        self._unit = unit
        self._residual = residual
        self._season = season
        self._move = move
        self._by_hour = [0.0] * HOURS
        self._active = unit
        self._moves = 0
        self.residual = self.season = self.move = unit

    def look(self, hour: int, move: float) -> None:
        """Set ``residual``, ``season`` and ``move`` to what is usual for this row.

        Args:
            hour: of the day.
            move: size of the difference to the row before; the first few in the life of a series
                say what is usual before they are judged.
        """
        if self._moves < FEW_MOVES and move > 3.0 * self._active:
            self._active = move / 3.0
        floor = FLOOR * self._active
        floor = max(floor, self._unit)
        by_hour = self._by_hour[hour]
        residual = 0.5 * (self._residual + by_hour) if by_hour else self._residual
        self.residual = residual if residual > floor else floor  # noqa: FURB136  max() is slower
        self.season = self._season if self._season > floor else floor  # noqa: FURB136
        self.move = self._move if self._move > floor else floor  # noqa: FURB136

    def learn(self, hour: int, sizes: tuple[float, float, float], pace: float) -> None:
        """Take one row into account.

        Args:
            hour: of the day.
            sizes: of its residual, its distance from the season, its move; none negative.
            pace: 1 usually, less while the series is not trusted.
        """
        residual, season, move = sizes
        spread = self._residual
        outer = OUTER * spread + self._unit
        self._residual += RESIDUAL * pace * ((residual if residual < outer else outer) - spread)  # noqa: FURB136
        spread = self._by_hour[hour]
        if spread:
            outer = OUTER * spread + self._unit
            size = residual if residual < outer else outer  # noqa: FURB136
            self._by_hour[hour] += RESIDUAL * pace * (size - spread)
        else:
            self._by_hour[hour] = self._residual
        spread = self._season
        outer = OUTER * spread + self._unit
        self._season += SEASON * pace * ((season if season < outer else outer) - spread)  # noqa: FURB136
        spread = self._move
        outer = OUTER * spread + self._unit
        self._move += MOVE * pace * ((move if move < outer else outer) - spread)  # noqa: FURB136
        if move > 0:
            self._moves += 1
            outer = OUTER * self._active
            rate = 1.0 / (1.0 + self._moves)
            self._active += (rate if rate > ACTIVE else ACTIVE) * (  # noqa: FURB136
                (move if move < outer else outer) - self._active  # noqa: FURB136
            )
