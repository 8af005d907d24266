import pytest

from stream.ingest.checkpoint import Checkpoint


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint(),
        Checkpoint(1700000000, 1700000061.25, (12, 28333333)),
        Checkpoint(1700000000, None, None),
        Checkpoint(None, None, (0, 0)),
    ],
)
def test_a_checkpoint_survives_its_string(checkpoint: Checkpoint):
    assert Checkpoint.from_metadata(checkpoint.to_metadata()) == checkpoint


@pytest.mark.parametrize(
    "foreign", ["", "kafka-python", "{}", '{"version":2}', '{"version":1,"x":1}']
)
def test_another_programs_string_is_no_checkpoint(foreign: str):
    assert Checkpoint.from_metadata(foreign) is None


def test_the_string_fits_kafkas_default_bound():
    assert len(Checkpoint(2**40, 2.0**40 + 0.1, (2**62, 2**31)).to_metadata()) < 4096
