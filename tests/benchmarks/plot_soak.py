"""The picture of a soak: memory, lag, latency, ids over time. Runs in the venv of the yardsticks.

python plot_soak.py soak.json soak.png
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt


def main(source: Path, target: Path) -> None:
    soak = json.loads(source.read_text())
    samples = soak["samples"]
    minutes = [each["seconds"] / 60 for each in samples]
    figure, axes = plt.subplots(2, 2, figsize=(12, 7), sharex=True, layout="constrained")
    memory, lag, latency, ids = axes.flat
    for role in samples[0]["memory_bytes"]:
        memory.plot(minutes, [each["memory_bytes"][role] / 2**20 for each in samples], label=role)
    memory.set(ylabel="MiB", ylim=(0, None), title="Resident memory")
    for role in samples[0]["lag_records"]:
        lag.plot(minutes, [each["lag_records"][role] for each in samples], label=role)
    lag.set(ylabel="records", title="Lag of the worst partition")
    lag.set_yscale("symlog", linthresh=10)
    lag.set_ylim(0, None)
    for what, journeys in soak["latencies"].items():
        points = [(each["seconds"] / 60, each["took_seconds"]) for each in journeys]
        if points:
            latency.plot(*zip(*points, strict=True), ".", markersize=4, label=what)
    latency.set(ylabel="s", ylim=(0, None), title="Latency", xlabel="minutes")
    ids.plot(minutes, [each["dedup_ids"] / 1e6 for each in samples], label="ids, millions")
    ids.axvline(soak["horizon_seconds"] / 60, color="gray", linestyle=":", label="horizon full")
    ids.set(ylabel="millions", ylim=(0, None), title="Ids of counted events", xlabel="minutes")
    for each in axes.flat:
        each.grid(visible=True, alpha=0.3)
        each.legend(fontsize=8)
    stamp = soak["stamp"]
    figure.suptitle(
        f"{soak['rate']:,.0f} events/s over {soak['scopes']:,} scopes, one worker with all roles"
    )
    figure.supxlabel(
        f"{stamp['machine']}, commit {stamp['commit']}, {stamp['date'][:10]}", fontsize=8
    )
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
