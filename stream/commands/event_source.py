"""``--events FILE`` of subcommands that read a file of events: progress, and what was refused."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.progress import Progress, TaskID

from stream.commands.progress_bar import progress_bar
from stream.exit import CommandError
from stream.replay.event_file import EventFile
from stream.replay.intake import Intake

_LINES_A_REFRESH = 500


def feed(events: EventFile, into: Callable[[Iterable[bytes]], None]) -> None:
    """Give the lines of a file to ``into``, with a progress bar if stderr is a terminal.

    Raises:
        EventFileError: the file breaks off, or is damaged.
    """
    if not sys.stderr.isatty():
        into(events.lines())
        return
    with progress_bar() as progress:
        task = progress.add_task(events.path.name, total=events.size_bytes or None)
        into(_watched(events, progress, task))


def _watched(events: EventFile, progress: Progress, task: TaskID) -> Iterator[bytes]:
    for number, line in enumerate(events.lines()):
        if number % _LINES_A_REFRESH == 0:
            progress.update(task, completed=events.read_bytes)
        yield line


def refuse_useless(path: Path, intake: Intake) -> None:
    """A file without a single usage event is the wrong file.

    Raises:
        CommandError: it is one.
    """
    if intake.counted["events"]:
        return
    if intake.dead_by_reason:
        raise CommandError(f"{path} holds no usage event: {'; '.join(intake.refusals())}")
    raise CommandError(f"{path} holds no usage event; it should hold a JSON object per line")
