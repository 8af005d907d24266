"""Would it notice? Bugs put in on purpose, one at a time, into a copy of the tree, and a run each.

    python -m tests.chaos.mutations [--only NAME]... [--seed 7]... [--kills 7] [--list]

A bug that no seed catches is a hole in the audit or in the faults: the table says so. Exit code 0
if all were caught, 4 if not, 1 if the sources have changed so that a bug no longer fits.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CAUGHT = 4
"""Exit code of a run that found differences."""

COPIED = ("stream", "detectors", "alerting", "client", "tests")


@dataclass(frozen=True)
class Mutation:
    """One bug.

    Attributes:
        name: what it does wrong.
        path: of the source.
        changes: text that is there exactly once, and what stands there instead.
        kinds: faults that can show it.
        under: another source and its changes, which are no bug but bring about what the bug needs.
            A run with these alone has to find no differences, or what is found says nothing.
    """

    name: str
    path: str
    changes: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...] = ()
    under: tuple[str, tuple[tuple[str, str], ...]] | None = None

    @property
    def circumstances(self) -> "Mutation | None":
        """What the bug needs, without the bug."""
        if self.under is None:
            return None
        return Mutation(f"{self.name} without the bug", *self.under, kinds=self.kinds)

    @property
    def slug(self) -> str:
        """Its name, for files."""
        return self.name.replace(" ", "-")

    def apply(self, root: Path) -> None:
        """Put it in.

        Raises:
            ValueError: a text is not there exactly once.
        """
        if self.circumstances is not None:
            self.circumstances.apply(root)
        source = root / self.path
        text = source.read_text()
        for before, after in self.changes:
            if text.count(before) != 1:
                raise ValueError(
                    f"{self.name}: {text.count(before)} times in {self.path}: {before}"
                )
            text = text.replace(before, after)
        source.write_text(text)


MUTATIONS = (
    Mutation(
        "offset stamp ignored",
        "stream/watch/partition.py",
        (
            (
                "        if self._live.holds(self._roster.page[number], offset):\n",
                "        if False:\n",
            ),
        ),
        kinds=("kill -9 in a page flush",),
    ),
    Mutation(
        "in-memory guard ignored",
        "stream/watch/partition.py",
        (("        if offset <= self.applied:\n            return []\n", ""),),
        kinds=(
            "WATCH sleeps past its session",
            "kill -9 in a rebalance",
            "a worker is added",
        ),
        # Since no input is read while partitions move, nothing comes twice within an assignment.
        # That is the transport's doing, which promises it to nobody: here it goes back now and
        # then to what is committed, as it may.
        under=(
            "stream/kafka/faust_consumer.py",
            (
                (
                    "                began = self.app.rebalancing_count\n",
                    (
                        "                self._asked = getattr(self, '_asked', 0) + 1\n"
                        "                if self._asked % 40 == 0:\n"
                        "                    await seek_to_committed(consumer)\n"
                        "                began = self.app.rebalancing_count\n"
                    ),
                ),
            ),
        ),
    ),
    Mutation(
        "what somebody else had meanwhile is kept",
        "stream/watch/take_over.py",
        (("if ends.get(place) != end}", "if False}"),),
        kinds=("WATCH sleeps past its session", "kill -9 in a rebalance", "a worker is added"),
    ),
    Mutation(
        "input read while partitions move",
        "stream/kafka/faust_consumer.py",
        (("asked != changelogs and not self.app.rebalancing", "asked != changelogs"),),
        kinds=("kill -9 in a rebalance", "WATCH sleeps past its session"),
    ),
    Mutation(
        "transaction left out",
        "stream/ingest/worker.py",
        (("        if config.delivery is Delivery.AT_LEAST_ONCE:\n", "        if True:\n"),),
        kinds=("kill -9 in a transaction",),
    ),
    Mutation(
        "fencing after the fetch",
        "stream/ingest/assignment.py",
        (
            (
                '        async with answered("the fence"):\n            await output.start()\n',
                "",
            ),
            (
                "        self._expected_offset = offset\n        self._beat_at",
                (
                    "        await output.start()\n"
                    "        self._expected_offset = offset\n        self._beat_at"
                ),
            ),
        ),
        kinds=("INGEST sleeps in a transaction",),
    ),
    Mutation(
        "acks out of order",
        "stream/watch/role.py",
        (
            (
                "        partition.unacknowledged.append(event)\n        catalogue.DELTAS.inc()\n",
                "        acknowledge(self._app, event)\n        catalogue.DELTAS.inc()\n",
            ),
        ),
        kinds=("kill -9 of a worker",),
    ),
    Mutation(
        "pages not awaited",
        "stream/watch/role.py",
        (("            await asyncio.gather(*futures)\n", "            await asyncio.sleep(0)\n"),),
        kinds=("kill -9 while pages are refused",),
    ),
    Mutation(
        "page key without incarnation",
        "stream/watch/role.py",
        (("return secrets.token_hex(6)", 'return "0" * 12'),),
        kinds=("kill -9 of the successor of a zombie",),
    ),
    Mutation(
        "signals after pages",
        "stream/watch/role.py",
        (
            (
                "            await self._publish([replace(",
                "            self._later.extend([replace(",
            ),
            (
                "        self._flushes = 0\n",
                "        self._flushes = 0\n        self._later = []\n",
            ),
            (
                "        ended = self._wall()\n",
                (
                    "        ended = self._wall()\n"
                    "        later, self._later = self._later, []\n"
                    "        await self._publish(later)\n"
                ),
            ),
        ),
        kinds=("kill -9 in a page flush",),
    ),
    Mutation(
        "dedup log not restored",
        "stream/ingest/work.py",
        (
            (
                "self.chain.restore(Sightings.together(at_once))",
                "assert at_once",
            ),
        ),
        kinds=("kill -9 of a worker",),
    ),
)


def copied(root: Path, mutation: Mutation | None) -> Path:
    """A tree of its own, with the bug in it."""
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    if mutation is not None:
        mutation.apply(root)
    return root


def run(mutation: Mutation | None, arguments: list[str], log: Path) -> int:
    """One run of the mutated program; its exit code."""
    with tempfile.TemporaryDirectory(prefix="spendwatch-mutation-") as folder:
        root = copied(Path(folder), mutation)
        environment = os.environ | {
            "PYTHONPATH": f"{root}:{root / 'client' / 'src'}",
            "KAFKA_LIBS": os.environ.get("KAFKA_LIBS", str(ROOT / ".kafka" / "libs")),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 -- the command is ours
                [sys.executable, "-m", "tests.chaos", *arguments],
                cwd=root,
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                return process.wait()
            finally:
                process.send_signal(signal.SIGINT)  # so that it ends its broker and workers
                process.wait()


def checks_of(log: Path) -> str:
    """The checks of a run's table that found differences, and how many each."""
    lines = log.read_text().partition("check  ")[2].splitlines()[1:]
    found = [line.rsplit(maxsplit=1) for line in lines if line and not line.startswith(" ")]
    return ", ".join(f"{name} ({count})" for name, count in found if count not in {"0", ""})


def main() -> int:
    """Read the arguments, and try the bugs."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutations")
    parser.add_argument("--only", action="append", metavar="NAME", help="default: all")
    parser.add_argument("--seed", action="append", type=int, help="default: 7; tried in turn")
    parser.add_argument("--kills", type=int, default=4, help="faults a run")
    parser.add_argument("--others", type=int, default=0, help="with --all-kinds: that kill nobody")
    parser.add_argument(
        "--all-kinds", action="store_true", help="of faults, and all roles; default: what shows it"
    )
    parser.add_argument("--logs", type=Path, default=Path("var/chaos-mutations"))
    parser.add_argument("--list", action="store_true", help="names only")
    arguments = parser.parse_args()
    names = [mutation.name for mutation in MUTATIONS]
    if arguments.list:
        sys.stdout.write("\n".join(names) + "\n")
        return 0
    wanted = arguments.only or names
    arguments.logs.mkdir(parents=True, exist_ok=True)
    escaped = 0
    for mutation in MUTATIONS:
        if mutation.name not in wanted:
            continue
        verdict = "NOT CAUGHT"
        for seed in arguments.seed or [7]:
            words = ["--seed", str(seed), "--kills", str(arguments.kills)]
            words += ["--others", str(arguments.others)]
            if not arguments.all_kinds:
                words += ["--roles", "ingest,watch"]
                words += [word for kind in mutation.kinds for word in ("--kind", kind)]
            without = mutation.circumstances
            if without is not None:
                log = arguments.logs / f"{without.slug}-{seed}.log"
                code = run(without, words, log)
                if code != 0:
                    verdict = f"no verdict: exit code {code} without the bug, see {log}"
                    continue
            log = arguments.logs / f"{mutation.slug}-{seed}.log"
            code = run(mutation, words, log)
            if code == CAUGHT:
                verdict = f"caught by seed {seed}: {checks_of(log)}"
                break
            if code != 0:
                verdict = f"no verdict: exit code {code}, see {log}"
        escaped += not verdict.startswith("caught")
        sys.stdout.write(f"{mutation.name:<32} {verdict}\n")
        sys.stdout.flush()
    return 4 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
