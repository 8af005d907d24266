"""Scope kinds that one part of the configuration names must be counted by another.

A misspelt kind fits no scope: its rule judges nothing, its budget counts nothing, and nobody is
told. Only kinds that were written are looked at: the built-in rules name some that an installation
may leave out.
"""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from alerting.contradiction import Part
from alerting.watch.rules import RulesConfig
from detectors.scope import KINDS
from stream.config_file.problem import close_match
from stream.usage.fanout import TAG_PREFIX

Path = tuple[str | int, ...]


def uncounted_kinds(rules: RulesConfig, counted: Sequence[str]) -> Iterator[Part]:
    """Kinds that rules and budgets name and that ``fanout.kinds`` does not."""
    named: list[tuple[Path, str]] = []
    for index, rule in enumerate(rules.spikes):
        for key in ("kinds", "cold_start_kinds"):
            named += _written(rule, key, ("rules", "spikes", index))
    single = {"contributor": rules.contributor, "ratios": rules.ratios, "absence": rules.absence}
    for name, each in single.items():
        if each is not None:
            named += _written(each, "kinds", ("rules", name))
    named += [
        (("rules", "budgets", index, "kind"), budget.kind)
        for index, budget in enumerate(rules.budgets)
    ]
    for path, kind in named:
        if kind not in counted:
            yield path, f"{kind!r} is not counted: {_fix(kind, counted)}"


def _written(model: BaseModel, key: str, path: Path) -> list[tuple[Path, str]]:
    if key not in model.model_fields_set:
        return []
    return [((*path, key, index), kind) for index, kind in enumerate(getattr(model, key))]


def _fix(kind: str, counted: Sequence[str]) -> str:
    close = close_match(kind, list(counted))
    is_new = all(part in KINDS or part.startswith(TAG_PREFIX) for part in kind.split("+"))
    if close is not None and not is_new:
        return f"did you mean {close}?"
    return f"add it to fanout.kinds, which has {', '.join(counted)}"
