import pytest
from pydantic import ValidationError

from stream.ingest.config import Delivery, IngestConfig


def test_the_default_is_exact():
    assert IngestConfig().delivery is Delivery.EXACTLY_ONCE


def test_a_batch_cannot_be_cut_later_than_it_is_cut_sooner():
    with pytest.raises(ValidationError, match="cut_min_seconds"):
        IngestConfig(cut_min_seconds=2.0, cut_max_seconds=1.0)


def test_more_events_than_64_bit_sums_can_hold_are_refused():
    with pytest.raises(ValidationError):
        IngestConfig(max_batch_events=50_001)


def test_an_unknown_key_is_an_error():
    with pytest.raises(ValidationError):
        IngestConfig.model_validate({"lateness": 1})
