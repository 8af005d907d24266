"""``spendwatch spend`` over a file; asking workers is the integration tests'."""

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from stream.cli import main
from stream.config import Settings
from stream.replay.file_spend import FileSpend
from stream.replay.replay import Replay
from stream.watch.queries import SpendQuery, spend_rows
from tests.support.event_files import MONDAY, an_event, steady, written


@pytest.fixture
def events(tmp_path: Path) -> str:
    lines = [
        an_event(1, MONDAY + 30),
        an_event(1, MONDAY + 30),
        an_event(2, MONDAY + 3_599, agent="other-bot", cost_usd="0.25"),
        an_event(3, MONDAY + 3_600, cost_usd="2.125"),
        "nonsense",
    ]
    return str(written(tmp_path / "e.jsonl", lines))


def rows(capsys, *words: str):
    assert main(["spend", "--json", *words]) == 0
    return {row["scope"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_file_is_added_up_without_its_repeats(events, capsys):
    found = rows(capsys, "--events", events)

    assert {name: row["cost_usd"] for name, row in found.items()} == {
        "agent:invoice-bot": "2.625",
        "agent:other-bot": "0.25",
    }
    assert found["agent:invoice-bot"]["from"] == "2026-01-05T00:00:00Z"
    assert found["agent:invoice-bot"]["to"] == "2026-01-05T01:01:00Z"


def test_a_span_is_half_open(events, capsys):
    words = ("--from", "2026-01-05T00:00Z", "--to", "2026-01-05T01:00Z")
    found = rows(capsys, "--events", events, "--by", "api_key", *words)

    (row,) = found.values()
    assert (row["cost_usd"], row["requests"]) == ("0.75", 2)
    assert (row["from"], row["to"]) == ("2026-01-05T00:00:00Z", "2026-01-05T01:00:00Z")


def test_the_table_has_totals_and_refused_lines_are_named_on_stderr(events, capsys):
    assert main(["spend", "--events", events]) == 0

    out, err = capsys.readouterr()
    assert "2.8750" in out
    assert err.startswith("refused: line 5: not_json")


def test_a_kind_that_is_not_counted_is_a_usage_error(events, capsys):
    assert main(["spend", "--events", events, "--by", "planet"]) == 2
    assert "fanout.kinds has agent, workflow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [("--from", "--from without to: give both"), ("--to", "--to without from: give both")],
)
def test_half_a_span_is_a_usage_error_that_names_the_other_half(events, capsys, given, said):
    assert main(["spend", "--events", events, given, "2026-01-05T00:00Z"]) == 2
    assert said in capsys.readouterr().err


def test_a_file_and_a_worker_exclude_each_other(events):
    with pytest.raises(SystemExit) as ended:
        main(["spend", "--events", events, "--worker", "http://127.0.0.1:1"])
    assert ended.value.code == 2


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_file_without_events_ends_with_1(tmp_path, capsys, name):
    (tmp_path / "empty").touch()
    assert main(["spend", "--events", str(tmp_path / name)]) == 1


def test_without_a_worker_it_ends_with_3(capsys):
    assert main(["spend", "--worker", "http://127.0.0.1:1"]) == 3
    assert "no worker answers" in capsys.readouterr().err


def test_a_file_is_added_up_as_the_workers_tables_would_be():
    settings = Settings.model_validate(
        {"topics": {"usage_events_partitions": 3, "deltas_partitions": 4}}
    )
    lines = [json.dumps(event).encode() for event in steady(0.3)]
    spend, replay = FileSpend(settings, SpendQuery("api_key", None)), Replay(settings)

    spend.feed(lines)
    replay.feed(lines)

    found = spend_rows(spend.parts())
    assert found == spend_rows(replay.spend("api_key", None))
    assert Decimal(found[0]["cost_usd"]) == len(lines) * Decimal("0.5")


@pytest.fixture
def stranger() -> Iterator[HTTPServer]:
    """An HTTP server that answers everything with its ``answer``, a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = server.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>Not Found</html>"),
        (502, b"<html>Bad Gateway</html>"),
        (404, b'{"detail": "Not Found"}'),
        (400, b'["error"]'),
        (200, b"<html>Welcome</html>"),
        (200, b"\xff\xfe"),
        (200, b'{"data": []}'),
        (200, b"[]"),
        (200, b'{"rows": [1]}'),
        (200, b'{"rows": 1}'),
    ],
)
def test_what_is_no_worker_is_told_and_ends_with_3(stranger, capsys, status: int, body: bytes):
    stranger.answer = (status, body)
    url = f"http://127.0.0.1:{stranger.server_port}"

    assert main(["spend", "--worker", url]) == 3

    assert f"what answers at {url} is no spendwatch worker" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(400, 1), (503, 3)])
def test_a_worker_s_own_reason_is_told(stranger, capsys, status: int, code: int):
    stranger.answer = (status, b'{"error": "worker 2 does not answer"}')

    assert main(["spend", "--worker", f"http://127.0.0.1:{stranger.server_port}"]) == code

    assert capsys.readouterr().err == "spendwatch: worker 2 does not answer\n"


@pytest.mark.parametrize(
    "url", ["http://host:abc", "http://[::1", "http://", "host:80", "http://a b"]
)
def test_a_worker_s_url_that_is_none_is_a_usage_error(capsys, url: str):
    assert main(["spend", "--worker", url]) == 2
    assert f"--worker {url}: write http://host:port" in capsys.readouterr().err
