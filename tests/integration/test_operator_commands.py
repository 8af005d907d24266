"""``spendwatch throttle`` and ``silence`` on a real broker, with DECIDE running and without."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spendwatch_client import ThrottleSubscriber, Topics, key_id
from stream.exit import ExitCode
from stream.kafka.follow import read_to_end
from tests.support.kafka import KafkaBroker
from tests.support.worker import Installation, until

pytestmark = pytest.mark.kafka

LIVE = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
async def installed(
    kafka: KafkaBroker, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Installation]:
    installation = Installation(
        tmp_path, kafka.bootstrap, topic_prefix, delta_partitions=1, input_partitions=1
    )
    await installation.create_topics()
    yield installation
    installation.kill()


async def say(installed: Installation, *words: str) -> tuple[int, str, str]:
    done = await installed.call(*words, "-c", str(installed.workers[0].config))
    return done.returncode, done.stdout, done.stderr


async def board(installed: Installation, *words: str):
    code, out, err = await say(installed, "throttle", "list", "--json", *words)
    assert code == ExitCode.DONE, err
    return json.loads(out)


async def everything(installed: Installation) -> bytes:
    """All bytes of the topics that operators write to or read."""
    topics, connection = installed.topics, installed.settings.kafka
    names = (topics.commands, topics.actions, topics.shadow, topics.control)
    records = [each for name in names for each in await read_to_end(connection, name)]
    return b"".join((each.key or b"") + (each.value or b"") for each in records)


async def test_missing_topics_end_with_3_and_the_fix(kafka, tmp_path, topic_prefix):
    installation = Installation(tmp_path, kafka.bootstrap, topic_prefix)

    code, out, err = await say(installation, "throttle", "pause")

    assert (code, out) == (ExitCode.UNREACHABLE, "")
    assert "spendwatch topics create" in err


async def test_a_pause_reaches_gateways_within_5_s_with_spendwatch_down(installed):
    topics = installed.topics
    names = Topics(actions=topics.actions, control=topics.control, acks=topics.acks)
    async with ThrottleSubscriber(
        installed.bootstrap, enforcer="gateway-1", topics=names
    ) as gateway:
        await gateway.ready.wait()

        async def is_paused() -> bool:
            return gateway.state.is_paused

        async def is_resumed() -> bool:
            return not gateway.state.is_paused

        for verb, reached in (("pause", is_paused), ("resume", is_resumed)):
            code, _, err = await say(installed, "throttle", verb)
            assert code == ExitCode.DONE, err
            said = time.monotonic()
            await until(reached, 5.0, lambda: "the gateway heard nothing")
            assert time.monotonic() - said < 5.0
            assert (await board(installed))["paused"] is (verb == "pause")

    connection = installed.settings.kafka
    first, second = await read_to_end(connection, topics.control)
    commands = await read_to_end(connection, topics.commands)
    assert [json.loads(each.value)["command"] for each in commands] == [
        "throttle_pause",
        "throttle_resume",
    ]
    assert set(json.loads(first.value)) == {
        "paused", "mode", "issued_by", "issued_at", "command_id"
    }  # fmt: skip
    assert first.key == second.key == b"throttle"
    headers = dict(first.headers)
    assert headers["ce_type"] == b"spendwatch.throttle.control"
    assert headers["ce_id"] == json.loads(first.value)["command_id"].encode() == commands[0].key


async def test_without_decide_a_command_is_sent_and_its_silence_is_told(installed):
    words = ("throttle", "set", LIVE, "--mode", "block", "--wait", "1", "--reason", f"see {LIVE}")

    code, out, err = await say(installed, *words)

    assert (code, out) == (ExitCode.UNREACHABLE, "")
    assert "nothing came of it within 1 s" in err
    assert LIVE.encode() not in await everything(installed) + err.encode()


async def test_an_operators_word_is_obeyed_and_seen(installed):
    worker = installed.workers[0]
    worker.start("decide")
    key = f"api_key:{key_id(LIVE)}"

    async def say_and_see(*words: str) -> str:
        code, out, err = await say(installed, "throttle", *words)
        assert code == ExitCode.DONE, err + worker.log
        return out

    # The first one waits for the worker's start.
    out = await say_and_see("set", LIVE, "--mode", "block", "--for", "2h", "--wait", "40")
    assert out.startswith(f"{key}: block, enforced; lease until")
    limits = ("--limit", "requests_per_minute=9", "--limit", "usd_per_hour=2.5")
    out = await say_and_see("set", "agent:bot", "--mode", "throttle", "--ratio", "0.1", *limits)
    assert "throttle, 10% admitted" in out

    held = {each["target"]["name"]: each for each in (await board(installed))["targets"]}
    assert set(held) == {key_id(LIVE), "bot"}
    assert held["bot"]["limits"] == {"requests_per_minute": 9, "usd_per_hour": "2.5"}
    assert held["bot"]["hold"] == "enforced"
    assert held["bot"]["approval"]["decided_by"]
    assert "enforce" in await say_and_see("mode", "enforce")
    assert (await board(installed))["mode"] == "enforce"

    assert await say_and_see("release", "agent:bot") == "agent:bot: released\n"
    assert "nothing was held" in await say_and_see("release", "agent:bot")
    assert await say_and_see("release", "--all") == "everything is released\n"
    assert (await board(installed))["targets"] == []
    holds = [each["hold"] for each in (await board(installed, "--all"))["targets"]]
    assert holds == ["released", "released"]
    code, _, err = await say(installed, "throttle", "approve", "0" * 32)
    assert (code, "no dry run begins so" in err) == (ExitCode.WRONG_INPUT, True)
    assert LIVE.encode() not in await everything(installed) + worker.log.encode()
    assert await worker.stop() == 0


async def test_silences_are_added_listed_and_ended(installed):
    words = ("silence", "add", "kind=agent", 'name=~"bot.*"', "--for", "2h", "--comment", "known")
    code, out, err = await say(installed, *words)
    assert code == ExitCode.DONE, err
    silence_id = out.split()[0]
    assert (await say(installed, "silence", "add", "kind=api_key", f"name={LIVE}"))[0] == 0

    code, out, _ = await say(installed, "silence", "list", "--json")
    first, second = json.loads(out)
    assert first["silence_id"] == silence_id
    assert (first["state"], first["comment"]) == ("active", "known")
    assert first["matchers"] == ['kind="agent"', 'name=~"bot.*"']
    assert second["matchers"] == ['kind="api_key"', f'name="{key_id(LIVE)}"']

    assert (await say(installed, "silence", "expire", silence_id[:8]))[0] == ExitCode.DONE
    code, out, _ = await say(installed, "silence", "expire", silence_id[:8])
    assert (code, "ended already" in out) == (ExitCode.DONE, True)
    assert (await say(installed, "silence", "expire", "x"))[0] == ExitCode.WRONG_INPUT
    code, out, _ = await say(installed, "silence", "list")
    assert silence_id[:8] not in out
    code, out, _ = await say(installed, "silence", "list", "--all")
    assert silence_id[:8] in out
    assert "expired" in out
    assert LIVE.encode() not in await everything(installed)
