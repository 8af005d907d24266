"""Several errors in one exception, for those who take it apart and those who do not."""

from typing import Self

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from alerting.contradiction import PROBLEMS, contradiction


class _Pair(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise contradiction([(("low",), "too {low}"), (("list", 1), "bad")])


def test_the_parts_can_be_read_and_the_text_lists_them_all():
    with pytest.raises(ValidationError) as caught:
        _Pair(low=1, high=2)

    (error,) = caught.value.errors()
    assert error["ctx"][PROBLEMS] == [(("low",), "too {low}"), (("list", 1), "bad")]
    assert error["msg"] == "low: too {low}; list.1: bad"
