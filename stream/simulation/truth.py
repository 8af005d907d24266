"""What went wrong in a simulation, as labels that a backtest can be held against.

This file must not make streams or events.
"""

from collections.abc import Iterator, Sequence

from detectors.scope import Scope
from stream.replay.labels import Label
from stream.simulation.incident import Incident
from stream.simulation.organization import Agent


def labels_of(
    agents: Sequence[Agent], incidents: Sequence[Incident], *, until: float
) -> Iterator[Label]:
    """A label for each incident, in the order given; a weekly job is none.

    Args:
        agents: who there is.
        incidents: what goes wrong.
        until: epoch seconds of the simulation's end.
    """
    for incident in incidents:
        if incident.name.endswith("_job"):
            continue
        yield Label(
            scopes=_scopes(incident.name, agents[incident.agent]),
            start=int(incident.at),
            end=int(min(incident.at + incident.seconds, until)),
            name=incident.name,
        )


def _scopes(name: str, agent: Agent) -> tuple[str, ...]:
    keys = tuple(str(Scope("api_key", key)) for key in agent.api_keys)
    own = str(Scope("agent", agent.name))
    if name == "price_error":
        return ("*:*",)
    if name == "key_leak":
        return keys[:1]
    if name == "new_agent":
        return (f"{own}-experiment", str(Scope("api_key", f"key-{agent.team}-experiment")))
    if name == "sub_agents":
        return (*keys, f"{own}-sub-*", own)
    return (own, *keys)
