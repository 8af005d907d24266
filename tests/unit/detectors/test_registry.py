from decimal import Decimal

import pytest
from pydantic import BaseModel

from detectors.budget import BudgetConfig
from detectors.registry import BUDGET, DETECTORS, KINDS, build_budget, build_detector
from detectors.seasonal import SeasonalConfig
from detectors.spike import SpikeConfig, SpikeDetector


def test_every_kind_has_defaults_and_a_description_for_each_setting() -> None:
    for kind, config in KINDS.items():
        fields = config.model_fields
        assert all(field.description for field in fields.values()), kind
        assert config.model_config["extra"] == "forbid"
        assert config.model_config["frozen"]
    assert {*DETECTORS, BUDGET} == set(KINDS)


def test_a_detector_is_built_from_its_settings() -> None:
    built = build_detector("spike", SpikeConfig(spreads=9), 60)
    assert isinstance(built, SpikeDetector)
    assert (built.config.spreads, built.window_seconds) == (9, 60)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("spkie", SpikeConfig(), "no detector 'spkie'; there are spike, seasonal"),
        ("budget", BudgetConfig(amount_usd=Decimal(1)), "no detector 'budget'"),
        ("spike", SeasonalConfig(), "'spike' takes SpikeConfig, not SeasonalConfig"),
    ],
)
def test_a_wrong_kind_is_refused_by_name(kind: str, config: BaseModel, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_detector(kind, config, 300)


def test_a_budget_is_built_from_its_settings() -> None:
    assert build_budget(BudgetConfig(amount_usd=Decimal("2.5"))).amount_nanousd == 2_500_000_000
