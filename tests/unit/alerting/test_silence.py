import pytest

from alerting.matcher import parse_matcher
from alerting.silence import Silence, SilenceError, Silences, SilenceState, silence_from_json
from detectors.scope import Scope
from tests.support.alerts import an_alert


def a_silence(name: str = "s-1", *texts: str, start: float = 100.0, end: float = 200.0) -> Silence:
    matchers = tuple(parse_matcher(text) for text in texts or ("name=invoice-bot",))
    return Silence(name, matchers, start, end, "ana", "load test")


def test_a_silence_is_active_from_its_start_until_before_its_end():
    silence = a_silence()
    states = [silence.state(now) for now in (99.9, 100.0, 199.9, 200.0)]
    active = SilenceState.ACTIVE
    assert states == [SilenceState.PENDING, active, active, SilenceState.EXPIRED]


def test_all_matchers_must_match():
    silences = Silences()
    silences.add(a_silence("s-1", "name=invoice-bot", "kind=agent"))
    assert silences.silencing(an_alert(), 150.0) is not None
    assert silences.silencing(an_alert(scope=Scope("user", "invoice-bot")), 150.0) is None
    assert silences.silencing(an_alert(), 250.0) is None


@pytest.mark.parametrize("texts", [("name=~.*",), ("labels.x=",), ("name!=a", "kind!=b")])
def test_a_silence_that_would_hide_everything_is_refused(texts: tuple[str, ...]):
    with pytest.raises(SilenceError, match="hide everything"):
        a_silence("s", *texts)


def test_a_silence_without_matchers_is_refused():
    with pytest.raises(SilenceError):
        Silence("s", (), 0.0, 1.0, "ana")


def test_a_silence_must_end_after_it_starts():
    with pytest.raises(SilenceError, match="end after"):
        a_silence(start=5.0, end=5.0)


def test_expiring_ends_it_now_and_keeps_it_listed():
    silences = Silences()
    silences.add(a_silence())
    silences.add(a_silence("s-2", start=500.0, end=900.0))
    assert silences.expire("s-1", 150.0).ends_at == 150.0
    assert silences.expire("s-1", 160.0).ends_at == 150.0
    assert silences.expire("s-2", 150.0).state(150.0) is SilenceState.EXPIRED
    assert [silence.silence_id for silence in silences.list()] == ["s-1", "s-2"]
    assert silences.silencing(an_alert(), 150.0) is None
    silences.forget("s-1")
    silences.forget("s-1")
    assert len(silences.list()) == 1


def test_expiring_what_is_not_there_is_an_error():
    with pytest.raises(KeyError):
        Silences().expire("nothing", 1.0)


def test_a_silence_survives_a_round_trip():
    silence = a_silence("s-1", 'name=~"a|b"', start=100.0, end=200.5)
    assert silence_from_json(silence.to_json()) == silence
