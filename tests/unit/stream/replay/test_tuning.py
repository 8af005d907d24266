"""Two configurations side by side, and the grid that proposes one."""

import yaml
from rich.console import Console

from alerting.alert import Severity
from detectors.scope import Scope
from stream.config import Settings, load
from stream.replay.comparison import facts_of, is_different, pairs_of
from stream.replay.intake import Intake
from stream.replay.labels import Label
from stream.replay.replay import ReplayResult
from stream.replay.report import findings
from stream.replay.report_sides import print_comparison, print_tuning, proposal
from stream.replay.summary import summarize
from stream.replay.tuning import best, variants_of, weigh
from stream.replay.verdict import hold_against
from tests.support.alerts import AGENT, START, USD, an_action, an_alert

SPAN = (START - 7 * 86_400, START + 7 * 86_400)
OTHER = Scope("agent", "other")


def a_summary(*alerts, **changes):
    return summarize(ReplayResult(Intake(), alerts=list(alerts), **changes), SPAN)


def printed(print_it, *words, **options):
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        print_it(console, *words, **options)
        return console.export_text()


LOUD = a_summary(
    an_alert(excess_nanousd=100 * USD),
    an_alert(scope=OTHER, incident_id="i-2", started=START + 86_400, drivers=(),
             excess_nanousd=3 * USD),
    actions=[an_action()],
    leaked_nanousd={"incident-1": 4 * USD},
)  # fmt: skip
CALM = a_summary(
    an_alert(excess_nanousd=90 * USD, started=START + 900, incident_id="i-9"),
    actions=[an_action(incident_id="i-9")],
    leaked_nanousd={"i-9": 20 * USD},
)
BLIND = a_summary(an_alert(excess_nanousd=60 * USD, severity=Severity.INFO))
LABELS = [Label((str(AGENT),), START, START + 3_600)]


def test_one_cause_is_one_pair_whatever_its_id():
    first, second = pairs_of(LOUD, CALM)

    assert [each.incident_id for each in first] == ["incident-1", "i-9"]
    assert second[0].incident_id == "i-2"
    assert second[1] is None
    assert is_different(first)
    assert is_different(second)
    assert not any(map(is_different, pairs_of(LOUD, LOUD)))
    only_right = pairs_of(CALM, LOUD)[1]
    assert only_right[0] is None
    assert is_different(only_right)


def test_what_differs_is_marked():
    facts = facts_of(findings(LOUD, None), findings(CALM, None))
    text = printed(print_comparison, ("built-in", "other.yaml"), facts, pairs_of(LOUD, CALM))

    assert {fact.name for fact in facts if fact.differs} >= {"incidents", "leaked", "pages"}
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "≠ pages 2, 1.0 a week 1, 0.5 a week" in lines
    assert any(line.startswith("severities") is False and "≠ severities" in line for line in lines)
    assert "2 of 2 incidents differ" in lines
    (agent,) = [line for line in lines if "agent:invoice-bot" in line and "(critical)" in line]
    assert agent.endswith("4.00 (critical) 20.00 (critical)")
    (other,) = [line for line in lines if "agent:other" in line and "not found" in line]
    assert other.endswith("3.00 (critical, no action) not found")


def test_the_same_twice_has_no_mark():
    facts = facts_of(findings(LOUD, None), findings(LOUD, None))
    text = printed(print_comparison, ("a", "b"), facts, pairs_of(LOUD, LOUD))

    assert "≠" not in text
    assert "2 incidents, all alike" in text


def test_the_grid_surrounds_the_present_settings():
    variants = variants_of(Settings())
    present = [each for each in variants if each.is_present]

    assert [each.settings for each in present] == [Settings()]
    assert len({each.settings.model_dump_json() for each in variants}) == len(variants) > 6


def test_a_fragment_is_a_configuration_that_gives_those_settings(tmp_path):
    for variant in variants_of(Settings()):
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump(variant.fragment()))
        assert load(path) == variant.settings


def tried(labels=None):
    some = variants_of(Settings())
    present = next(each for each in some if each.is_present)
    chosen = [some[0], present, some[-1]]
    summaries = (LOUD, CALM, BLIND)
    verdicts = [None if labels is None else hold_against(each, labels) for each in summaries]
    return weigh(list(zip(chosen, summaries, verdicts, strict=True)))


def test_what_is_not_found_has_leaked_all_that_it_cost():
    assert [each.leaked_nanousd // USD for each in tried()] == [7, 23, 63]
    assert [each.pages_per_week for each in tried()] == [1.0, 0.5, 0.0]


def test_with_labels_only_what_really_happened_leaks_and_only_false_pages_count():
    assert [each.leaked_nanousd // USD for each in tried(LABELS)] == [4, 20, 60]
    assert [each.pages_per_week for each in tried(LABELS)] == [0.5, 0.0, 0.0]


def test_the_one_that_leaks_least_at_the_wanted_rate_is_proposed():
    some = tried()
    assert [best(some, rate) for rate in (1.0, 0.9, 0.4)] == some
    assert best(some[:2], 0.1) is some[1]  # none is so calm


def test_the_proposal_says_what_it_costs_and_what_to_write():
    some = tried()
    text = printed(print_tuning, some, some[0], wanted=2, are_false=False)

    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "* x 0.5 x 0.7 1.0 0.1 2 7.00" in lines
    assert "present x 1 x 1 0.5 0.1 1 23.00" in lines
    assert "at most 2 pages a week: 1.0 pages a week, $7.00 leaked, with" in lines
    half = Settings().rules.spikes[0].severity.critical_usd_per_hour / 2
    assert f"critical_usd_per_hour: '{half:.2f}'" in lines
    calmest = proposal(some[1], wanted=0.1, what="pages")
    assert calmest == (
        "nothing that was tried is as calm as 0.1 pages a week; the calmest: 0.5 pages a week, "
        "$23.00 leaked, with the present settings"
    )
