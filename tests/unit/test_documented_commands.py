"""Every ``spendwatch`` command in the documentation is one that the command line takes."""

import re
import shlex
from pathlib import Path

import pytest

from stream import cli
from stream.exit import ExitCode

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("client/*.md"), *ROOT.glob("deploy/**/*.md")], key=str
)

_BLOCK = re.compile(r"^(?:```\w*\n(.*?)^```|((?:    .*\n)+))", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|&& |\$ |\| )\s*spendwatch ([^>|;&\n]+)", re.MULTILINE)
_MENTIONED = re.compile(r"`spendwatch ([a-z][a-z-]*)")


def commands_of(page: str) -> list[list[str]]:
    """The words after ``spendwatch`` of every command in a code block."""
    blocks = "\n".join(fenced or indented for fenced, indented in _BLOCK.findall(page))
    return [shlex.split(words, comments=True) for words in _COMMAND.findall(blocks)]


DOCUMENTED = [
    pytest.param(words, id=f"{page.relative_to(ROOT)}: {' '.join(words)}")
    for page in PAGES
    for words in commands_of(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("words", DOCUMENTED)
def test_a_documented_command_is_one(words: list[str]):
    cli.parse(words)


@pytest.mark.parametrize(
    "words", [each for each in DOCUMENTED if each.values[0][0] in {"silence", "spend", "throttle"}]
)
def test_a_documented_command_gets_as_far_as_asking_a_service(words: list[str], tmp_path: Path):
    config = tmp_path / "c.yaml"
    config.write_text("kafka: {bootstrap_servers: ['127.0.0.1:1']}\nwatch: {port: 1}\n")

    assert cli.main([*words, "-c", str(config)]) == ExitCode.UNREACHABLE


def test_a_wrong_one_would_be_noticed():
    page = "```\nspendwatch spend --bye agent > x\n```\n"
    (words,) = commands_of(page)
    assert words == ["spend", "--bye", "agent"]
    with pytest.raises(SystemExit):
        cli.parse(words)


def test_the_documentation_shows_every_command():
    shown = {words.values[0][0] for words in DOCUMENTED}
    assert shown == set(cli.COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_that_is_mentioned_exists(page: Path):
    assert set(_MENTIONED.findall(page.read_text(encoding="utf-8"))) <= set(cli.COMMANDS)
