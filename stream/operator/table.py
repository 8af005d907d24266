"""What is held, for people: the table of ``spendwatch throttle list``, and one action in words.

Names and reasons come from others, so they are printed as text, never as markup.
"""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alerting.throttle.action import Mode, OnLapse, ThrottleAction
from detectors.window import rfc3339
from stream.operator.board import Board, Entry

_ID_CHARACTERS = 12


def board_table(board: Board) -> RenderableType:
    """The table, with what holds for all above it."""
    state = "PAUSED: gateways admit everything" if board.is_paused else "not paused"
    about = Text(f"throttling is {state}; automatic decisions: {board.mode}")
    if not board.entries:
        return Group(about, Text("nothing is held"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("target", overflow="fold", ratio=3)
    table.add_column("hold", no_wrap=True)
    table.add_column("mode", no_wrap=True)
    table.add_column("lease until (UTC)", no_wrap=True)
    table.add_column("action", no_wrap=True)
    table.add_column("reason", overflow="fold", ratio=4)
    for entry in board.entries:
        action = entry.action
        table.add_row(
            Text(str(action.target)),
            _hold(entry),
            _mode(action),
            _instant(action.expires_at),
            action.action_id[:_ID_CHARACTERS],
            Text(action.reason),
        )
    return Group(about, table)


def in_words(action: ThrottleAction) -> str:
    """One action in a line."""
    after = "then admitted" if action.on_lapse is OnLapse.ADMIT else "held past it"
    return (
        f"{action.target}: {_mode(action)}, enforced; lease until {_instant(action.expires_at)}"
        f" UTC, {after} unless renewed (sequence {action.sequence})"
    )


def _hold(entry: Entry) -> str:
    is_plain = not entry.is_dry_run or entry.hold.value == "shadow"
    return entry.hold.value if is_plain else f"shadow, {entry.hold.value}"


def _mode(action: ThrottleAction) -> str:
    if action.mode is Mode.THROTTLE:
        return f"throttle, {action.admit_ratio:.0%} admitted"
    return action.mode.value


def _instant(at_seconds: float) -> str:
    return rfc3339(int(at_seconds))[:19].replace("T", " ")
