"""The command line: help without imports, exit codes, and errors in one sentence."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from stream import cli, commands
from stream.exit import CommandError, ExitCode


def test_every_command_has_a_module_and_every_module_a_line_in_help():
    folder = Path(commands.__file__).parent
    shared = {"__init__", "arguments", "event_source", "progress_bar", "settings"}
    modules = {path.stem for path in folder.glob("*.py")} - shared

    assert {module.replace("_", "-") for module in modules} == set(cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_keeps_the_contract(name: str):
    module = importlib.import_module(f"stream.commands.{name.replace('-', '_')}")
    subparsers = argparse.ArgumentParser().add_subparsers()

    module.add_parser(subparsers)

    assert list(subparsers.choices) == [name]
    assert subparsers.choices[name].description
    assert callable(module.run)


def test_help_lists_the_commands_and_imports_none(capsys):
    code = "import sys, stream.cli\ntry: stream.cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in sys.modules if m in ('faust', 'aiokafka', 'pydantic', 'numpy')])"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith("[]\n")
    for name in cli.COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("words", [[], ["nonsense"], ["topics"], ["topics", "delete"]])
def test_a_wrong_command_line_ends_with_2(capsys, words: list[str]):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)

    assert ended.value.code == ExitCode.USAGE
    assert "usage: spendwatch" in capsys.readouterr().err


def test_the_version_is_told(capsys):
    assert cli.main(["--version"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("spendwatch 0.")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (CommandError("look there"), ExitCode.WRONG_INPUT, "spendwatch: look there\n"),
        (CommandError("gone", ExitCode.UNREACHABLE), ExitCode.UNREACHABLE, "spendwatch: gone\n"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
    ],
)
def test_an_end_becomes_an_exit_code(monkeypatch, capsys, raised, code, said: str):
    def run(arguments: argparse.Namespace) -> int:
        raise raised

    monkeypatch.setattr("stream.commands.check_config.run", run)

    assert cli.main(["check-config", "x"]) == code
    assert capsys.readouterr().err == said


def test_a_reader_that_has_left_is_no_error(tmp_path: Path):
    config = tmp_path / "c.yaml"
    config.write_text("")
    code = "import sys, stream.cli; sys.exit(stream.cli.main(['check-config', sys.argv[1]]))"
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)  # noqa: S607
    assert reader.stdin is not None
    reader.wait()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, str(config)],
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        check=False,
    )
    reader.stdin.close()

    assert (done.returncode, done.stderr) == (0, b"")


def test_check_config_prints_every_error_and_ends_with_1(tmp_path: Path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text("kafak: {}\nthrottle: {mode: 5}\n")

    assert cli.main(["check-config", str(config)]) == ExitCode.WRONG_INPUT

    out, err = capsys.readouterr()
    assert out == ""
    first, second, last = err.splitlines()
    assert first == f"{config}: line 1: kafak: unknown key (did you mean kafka?)"
    assert second.startswith(f"{config}: line 2: throttle.mode = 5: ")
    assert last == f"spendwatch: {config}: 2 errors"


def test_check_config_of_a_good_file_notes_secrets_that_are_elsewhere(
    tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.delenv("ELSEWHERE", raising=False)
    config = tmp_path / "c.yaml"
    config.write_text(
        "kafka: {security_protocol: sasl_ssl, username: u, password: 'env:ELSEWHERE'}\n"
    )

    assert cli.main(["check-config", str(config)]) == ExitCode.DONE

    out, err = capsys.readouterr()
    assert out == f"{config}: ok\n"
    assert err.startswith(f"{config}: note: kafka.password: ")


RECEIVER = (
    "notify: {receivers: {ops: {webhook: {url: 'env:URL', signing_secrets: ['env:WHSEC']}}}}\n"
)


def test_check_config_refuses_a_secret_that_is_there_and_is_none(
    tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.delenv("URL", raising=False)
    monkeypatch.setenv("WHSEC", "whsec_c2hvcnQ=")
    config = tmp_path / "c.yaml"
    config.write_text(RECEIVER)

    assert cli.main(["check-config", str(config)]) == ExitCode.WRONG_INPUT

    out, err = capsys.readouterr()
    assert out == ""
    note, error, last = err.splitlines()
    assert note.startswith(f"{config}: note: notify.receivers.ops.webhook.url: env:URL: ")
    assert error.startswith(
        f"{config}: notify.receivers.ops.webhook.signing_secrets[0]: env:WHSEC:"
    )
    assert last == f"spendwatch: {config}: 1 error"


@pytest.mark.parametrize(
    ("roles", "named"),
    [
        ("ingest", ["kafka.password"]),
        ("notify", ["kafka.password", "notify.receivers.ops.webhook.signing_secrets[0]"]),
    ],
)
def test_a_worker_asks_for_the_secrets_of_its_roles_before_it_starts_any(
    tmp_path: Path, capsys, monkeypatch, roles: str, named: list[str]
):
    monkeypatch.delenv("PW", raising=False)
    monkeypatch.setenv("URL", "https://x.example/in")
    monkeypatch.setenv("WHSEC", "whsec_c2hvcnQ=")
    config = tmp_path / "c.yaml"
    config.write_text(
        RECEIVER + "kafka: {security_protocol: sasl_ssl, username: u, password: 'env:PW'}\n"
    )

    assert cli.main(["worker", "-c", str(config), "--roles", roles]) == ExitCode.WRONG_INPUT

    *told, last = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in told] == named
    assert "cannot be used" in last


def test_topics_without_a_broker_ends_with_3_and_one_sentence(tmp_path: Path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text("kafka: {bootstrap_servers: ['127.0.0.1:1', 'no-such-host.invalid:1']}\n")

    assert cli.main(["topics", "check", "-c", str(config)]) == ExitCode.UNREACHABLE

    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert "nothing answers at 127.0.0.1:1" in line
    assert "no-such-host.invalid" in line
    assert "kafka.bootstrap_servers" in line
