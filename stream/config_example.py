"""The documented example configuration: every key there is, with its meaning and its default.

Written from the models, so that it cannot fall behind them. Where a default is empty (receivers,
budgets, prices of one's own) an example stands in, since an empty list documents nothing.
"""

import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import yaml
from pydantic import BaseModel

from alerting.notify.route import ReceiverConfig
from alerting.notify.slack.config import SlackConfig
from alerting.notify.webhook.config import WebhookConfig
from alerting.secret import Secret
from alerting.watch.rules import BudgetRule
from stream.config import Settings
from stream.config_file.document import KeyPath
from stream.config_file.problem import fields_of
from stream.usage.price_config import OwnPrice

_WIDTH = 100

_HEADER = """\
# Every key of spendwatch with its default, or with an example where the default is empty.
# Keep what you change and leave out the rest: defaults improve, copies of them do not.
# Secrets are never written here, only where they are: env:NAME or file:/path.
# `spendwatch check-config FILE` reports every error at once.
"""

_EXAMPLES: Mapping[KeyPath, Any] = {
    ("pricing", "own_prices"): (
        OwnPrice(
            model="my-llama-*",
            input_usd_per_million=Decimal("0.10"),
            output_usd_per_million=Decimal("0.40"),
            usd_per_unit={"image": Decimal("0.02")},
        ),
    ),
    ("fanout", "max_names_by_kind"): {"user": 50_000},
    ("rules", "budgets"): (
        BudgetRule(
            name="team-month",
            kind="team",
            zone="Europe/Berlin",
            amount_usd=Decimal(5000),
            amounts_usd={"research": Decimal(20_000)},
        ),
    ),
    ("notify", "receivers"): {
        "on-call": ReceiverConfig(
            slack=SlackConfig(channel="#ai-spend", token=Secret("env:SLACK_BOT_TOKEN"))
        ),
        "finance": ReceiverConfig(
            webhook=WebhookConfig(
                url=Secret("https://example.com/spendwatch"),
                signing_secrets=(Secret("file:/run/secrets/spendwatch-webhook"),),
            )
        ),
    },
    ("notify", "route", "critical"): ("on-call", "finance"),
    ("notify", "route", "warning"): ("on-call",),
}


def example_config() -> str:
    """The whole file as YAML; it loads, and says the same as no file but for the examples."""
    return _HEADER + "".join(f"{line}\n" for line in _mapping(Settings(), ()))


def _mapping(model: BaseModel, path: KeyPath) -> Iterator[str]:
    names = {(field.alias or name): name for name, field in type(model).model_fields.items()}
    for key, field in fields_of(type(model)).items():
        here = (*path, key)
        value = _EXAMPLES.get(here, getattr(model, names[key]))
        if not path:
            yield ""
        yield from textwrap.wrap(
            field.description or "",
            _WIDTH - 2 * len(path),
            initial_indent="# ",
            subsequent_indent="# ",
        )
        yield from _entry(f"{key}:", value, here)


def _entry(head: str, value: Any, path: KeyPath) -> Iterator[str]:
    """A key with its value, on one line if it is plain."""
    if isinstance(value, BaseModel):
        yield head
        yield from _indented(_mapping(value, path))
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        yield head
        for index, each in enumerate(value):
            yield from _item(_mapping(each, (*path, index)))
    elif isinstance(value, dict) and any(isinstance(each, BaseModel) for each in value.values()):
        yield head
        for key, each in value.items():
            yield from _indented(_entry(f"{key}:", each, (*path, key)))
    else:
        yield f"{head} {_scalar(value)}"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _item(lines: Iterator[str]) -> Iterator[str]:
    """A mapping as an item of a list; its first key carries the dash, below its comment."""
    has_dash = False
    for line in lines:
        is_first_key = not has_dash and not line.startswith("#")
        yield f"  - {line}" if is_first_key else f"    {line}" if has_dash else f"  {line}"
        has_dash = has_dash or is_first_key


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, for what settings hold beyond plain data."""


def _number(dumper: yaml.SafeDumper, value: Decimal) -> yaml.Node:
    text = format(value, "f")
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


def _secret(dumper: yaml.SafeDumper, value: Secret) -> yaml.Node:
    return dumper.represent_str(
        value.reveal(allow_literal=True) if value.is_literal else str(value)
    )


def _choice(dumper: yaml.SafeDumper, value: Enum) -> yaml.Node:
    return dumper.represent_data(value.value)


_Dumper.add_representer(Decimal, _number)
_Dumper.add_representer(Secret, _secret)
_Dumper.add_multi_representer(Enum, _choice)


def _scalar(value: Any) -> str:
    """Plain data as YAML on one line."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10_000)
    return text.strip().removesuffix("...").strip()
