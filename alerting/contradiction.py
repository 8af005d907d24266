"""Several errors of one configuration model as one exception that keeps them apart.

A validator can raise once; a person wants every error with its own key. ``stream/config.py`` takes
this one apart again. Nothing here knows a setting.
"""

from collections.abc import Sequence

from pydantic_core import PydanticCustomError

PROBLEMS = "problems"
"""Context key under which the exception carries its parts."""

Part = tuple[tuple[str | int, ...], str]
"""A path below the model, and what is wrong there with its fix."""


def contradiction(parts: Sequence[Part]) -> PydanticCustomError:
    """What a model's validator raises for one or more errors, with a text that lists them all.

    >>> str(contradiction([(("zone",), "no such zone"), (("levels", 0), "too high")]))
    'zone: no such zone; levels.0: too high'
    """
    told = "; ".join(f"{'.'.join(map(str, path))}: {message}" for path, message in parts)
    # The text is an argument and no template: pydantic would fill in what is in braces.
    return PydanticCustomError("contradiction", "{told}", {"told": told, PROBLEMS: list(parts)})
