"""What is told of an input partition is what was last said of it, by whichever worker."""

import json
from pathlib import Path

from tests.chaos.standing import LAST_WORDS, last_words


def test_the_last_words_about_a_partition_are_those_of_all_workers_by_their_time(tmp_path: Path):
    def log(worker: int, *lines: object) -> None:
        text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (tmp_path / f"worker-{worker}.log").write_text("\n".join(text))

    def said(event: str, at: int, **words: object) -> dict[str, object]:
        return {"event": event, "timestamp": f"2026-11-30T13:00:{at:02}Z", "level": "info", **words}

    log(
        0,
        "no JSON at all",
        "[1]",
        said("ingest_assigned", 5, partitions=[1, 3]),
        said("ingest_partition_ready", 7, partition=3, offset=12),
        said("ingest_retries", 8, partition=1, error="TimeoutError()"),
        said("watch_partitions_taken", 9, partitions=[3]),
    )
    log(1, *(said("ingest_revoked", at, partitions=[3]) for at in range(10, 10 + LAST_WORDS - 2)))
    found = last_words(tmp_path, 3)
    assert len(found) == LAST_WORDS
    assert found[0].startswith("2026-11-30T13:00:05Z worker-0")
    assert '"offset": 12' in found[1]
    assert [line.split()[1] for line in found] == ["worker-0"] * 2 + ["worker-1"] * 4
    assert not any("watch_" in line or "TimeoutError" in line for line in found)
