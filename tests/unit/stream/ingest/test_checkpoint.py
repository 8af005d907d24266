import pytest

from stream.ingest.checkpoint import Checkpoint, LogMark


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint(),
        Checkpoint(1700000000, 1700000061.25, LogMark(1, 12, 28333333)),
        Checkpoint(1700000000, None, None),
        Checkpoint(None, None, LogMark(0, 0, 0)),
    ],
)
def test_a_checkpoint_survives_its_string(checkpoint: Checkpoint):
    assert Checkpoint.from_metadata(checkpoint.to_metadata()) == checkpoint


@pytest.mark.parametrize(
    "foreign",
    ["", "kafka-python", "{}", '{"version":1}', '{"version":2,"x":1}', '{"version":2,"dedup":[1]}'],
)
def test_another_programs_string_is_no_checkpoint(foreign: str):
    assert Checkpoint.from_metadata(foreign) is None


def test_the_string_fits_kafkas_default_bound():
    assert len(Checkpoint(2**40, 2.0**40 + 0.1, LogMark(2**31, 2**62, 2**62)).to_metadata()) < 4096
