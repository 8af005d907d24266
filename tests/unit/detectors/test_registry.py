import pytest

from detectors.registry import DETECTORS


@pytest.mark.parametrize("kind", DETECTORS)
def test_every_kind_has_defaults_and_a_description_for_each_setting(kind: str) -> None:
    config = DETECTORS[kind].config
    assert all(field.description for field in config.model_fields.values())
    assert config.model_config["extra"] == "forbid"
    assert config.model_config["frozen"]
    assert config() == config.model_validate({})


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_is_built_from_its_settings_and_knows_its_kind(kind: str) -> None:
    registration = DETECTORS[kind]
    assert registration.build(registration.config(), 60).kind == kind
