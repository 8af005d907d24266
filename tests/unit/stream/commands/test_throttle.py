"""``spendwatch throttle`` and ``silence`` without a broker: what is typed, what is never told."""

from pathlib import Path

import pytest

from alerting.command import SilenceAdd, SilenceExpire, encode_command
from stream.cli import main
from stream.commands.silence import silences_of
from stream.operator.operator import login_name, now

LIVE = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(
        "kafka: {bootstrap_servers: ['127.0.0.1:1']}\nthrottle: {never_block: ['api_key:prod-*']}\n"
    )
    return str(path)


def ended(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["throttle"], 2, "ACTION"),
        (["throttle", "set", "key-7"], 2, "--mode"),
        (["throttle", "set", "key-7", "--mode", "throttle"], 2, "--ratio: needed"),
        (["throttle", "set", "key-7", "--mode", "throttle", "--ratio", "2"], 2, "from 0 to 1"),
        (["throttle", "set", "key-7", "--mode", "throttle", "--ratio", "nan"], 2, "from 0 to 1"),
        (["throttle", "set", "key-7", "--mode", "block", "--for", "900000d"], 2, "at most 365d"),
        (["throttle", "mode", "enforce", "--wait", "inf"], 2, "from 0 to 3600"),
        (["throttle", "set", "key-7", "--mode", "block", "--ratio", "0.5"], 2, "--ratio: needed"),
        (["throttle", "set", "key-7", "--mode", "block", "--for", "soon"], 2, "no duration"),
        (["throttle", "set", "key-7", "--mode", "block", "--for", "0m"], 2, "no duration"),
        (["throttle", "set", "key-7", "--mode", "block", "--limit", "usd=3"], 2, "no limit"),
        (["throttle", "set", "key-7", "--mode", "release"], 2, "invalid choice"),
        (["throttle", "set", "agnet:bot", "--mode", "block"], 2, "no such kind"),
        (["throttle", "set", "prod-1", "--mode", "block"], 1, "never_block names it"),
        (["throttle", "set", "prod-1", "--mode", "block", "--force"], 3, "nothing answers"),
        (["throttle", "release"], 2, "required"),
        (["throttle", "release", "key-7", "--all"], 2, "not allowed"),
        (["throttle", "mode", "off"], 2, "invalid choice"),
        (["throttle", "list"], 3, "nothing answers at 127.0.0.1:1"),
        (["throttle", "pause"], 3, "nothing answers at 127.0.0.1:1"),
        (["throttle", "approve", "0" * 32], 3, "nothing answers"),
        (["silence", "add"], 2, "MATCHER"),
        (["silence", "add", "nome=x"], 2, "unknown field"),
        (["silence", "add", "name=~.*"], 2, "needs a matcher"),
        (["silence", "add", "name=x", "--for", "-1h"], 2, "--for"),
        (["silence", "add", "name=x", "--for", "366d"], 2, "at most 365d"),
        (["silence", "add", "agnet=batch"], 2, "a scope kind such as agent"),
        (["silence", "add", "name=x"], 3, "nothing answers"),
        (["silence", "add", "agent=batch"], 3, "nothing answers"),
        (["silence", "list"], 3, "nothing answers"),
        (["silence", "expire", "abc"], 3, "nothing answers"),
    ],
)
def test_what_is_typed_wrong_is_told_before_kafka_is_asked(config, capsys, words, code, said):
    needs_config = len(words) > 1
    assert ended([*words, "-c", config] if needs_config else words) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [
        ["throttle", LIVE],
        ["throttle", "set", f"agent:{LIVE}", "--mode", "block"],
        ["throttle", "set", LIVE, "--mode", LIVE],
        ["throttle", "set", LIVE, LIVE, "--mode", "block"],
        ["throttle", "set", LIVE, "--mode", "block"],
        ["throttle", "set", f"{LIVE}:x", "--mode", "throttle"],
        ["throttle", "approve", LIVE],
        ["silence", "add", f"name=~{LIVE}"],
        ["silence", "add", f"{LIVE}=x"],
        ["silence", "add", f"name={LIVE}"],
        ["silence", "expire", LIVE],
    ],
)
def test_a_live_key_is_never_printed(config, capsys, words):
    assert ended([*words, "-c", config]) != 0

    out, err = capsys.readouterr()
    assert LIVE not in out + err


class _Record:
    def __init__(self, value: bytes | None) -> None:
        self.value = value


def test_silences_are_what_the_commands_amount_to():
    at = now()
    head = {"issued_by": "ann", "issued_at": at}
    silence = {
        "silence_id": "s-1",
        "matchers": ['name="bot"'],
        "starts_at": "2026-01-05T00:00:00Z",
        "ends_at": "2126-01-05T00:00:00Z",
        "created_by": "ann",
        "comment": "",
    }
    commands = [
        SilenceAdd(id="1", silence=silence, **head),
        SilenceAdd(id="2", silence=silence | {"silence_id": "s-2"}, **head),
        SilenceExpire(id="3", silence_id="s-1", **head),
        SilenceExpire(id="4", silence_id="unknown", **head),
    ]
    records = [_Record(encode_command(each)) for each in commands]

    found = silences_of([_Record(None), _Record(b"{"), *records]).list()

    states = {each.silence_id: each.state(at.timestamp() + 1).value for each in found}
    assert states == {"s-1": "expired", "s-2": "active"}


def test_a_container_without_names_still_says_who(monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("stream.operator.operator.getpass.getuser", nobody)
    monkeypatch.setattr("stream.operator.operator.os.getuid", lambda: 4711)

    assert login_name() == "uid-4711"
