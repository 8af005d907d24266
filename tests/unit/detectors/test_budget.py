from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from detectors.budget import Budget, BudgetConfig, Level, Period, period_of

USD = 1_000_000_000


def minute(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp()) // 60


def local_span(at: int, zone: str, period: Period) -> tuple[str, str, float]:
    start, end = period_of(at, zone, period)
    clock = ZoneInfo(zone)
    first, last = (datetime.fromtimestamp(edge, clock) for edge in (start, end))
    return f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}", (end - start) / 3600


@pytest.mark.parametrize(
    ("at", "period", "span"),
    [
        ("2024-02-29 12:00", Period.DAY, ("2024-02-29 00:00", "2024-03-01 00:00", 24)),
        ("2024-02-29 12:00", Period.MONTH, ("2024-02-01 00:00", "2024-03-01 00:00", 29 * 24)),
        ("2023-02-28 23:59", Period.MONTH, ("2023-02-01 00:00", "2023-03-01 00:00", 28 * 24)),
        ("2023-12-31 23:59", Period.MONTH, ("2023-12-01 00:00", "2024-01-01 00:00", 31 * 24)),
        ("2024-01-01 00:00", Period.MONTH, ("2024-01-01 00:00", "2024-02-01 00:00", 31 * 24)),
        ("2023-12-31 23:59", Period.WEEK, ("2023-12-25 00:00", "2024-01-01 00:00", 168)),
        ("2024-01-01 00:00", Period.WEEK, ("2024-01-01 00:00", "2024-01-08 00:00", 168)),
        ("2024-03-03 12:00", Period.WEEK, ("2024-02-26 00:00", "2024-03-04 00:00", 168)),
    ],
)
def test_calendar_periods_in_utc(at: str, period: Period, span: tuple[str, str, float]) -> None:
    assert local_span(minute(at), "UTC", period) == span


@pytest.mark.parametrize(
    ("at", "hours"), [("2024-03-31 12:00", 23), ("2024-10-27 12:00", 25), ("2024-06-01 12:00", 24)]
)
def test_a_day_in_berlin_has_23_to_25_hours(at: str, hours: int) -> None:
    zone = "Europe/Berlin"
    start, end, length = local_span(minute(at, zone), zone, Period.DAY)
    assert (start, length) == (f"{at[:10]} 00:00", hours)
    assert end.endswith("00:00")


def test_the_month_and_the_week_of_a_clock_change_are_an_hour_off() -> None:
    at = minute("2024-03-30 12:00", "Europe/Berlin")
    assert local_span(at, "Europe/Berlin", Period.MONTH)[2] == 31 * 24 - 1
    assert local_span(at, "Europe/Berlin", Period.WEEK)[2] == 167


def test_the_last_minute_of_a_local_day_belongs_to_it_and_the_next_does_not() -> None:
    zone = "Asia/Kathmandu"  # UTC+5:45
    midnight = minute("2024-05-02 00:00", zone)
    assert local_span(midnight - 1, zone, Period.DAY)[0] == "2024-05-01 00:00"
    assert local_span(midnight, zone, Period.DAY)[0] == "2024-05-02 00:00"


def test_where_midnight_does_not_exist_the_day_begins_after_the_gap() -> None:
    zone = "America/Sao_Paulo"  # 2018-11-04: 00:00 became 01:00
    before, after = minute("2018-11-03 23:59", zone), minute("2018-11-04 01:00", zone)
    assert after == before + 1
    assert local_span(before, zone, Period.DAY) == ("2018-11-03 00:00", "2018-11-04 01:00", 24)
    assert local_span(after, zone, Period.DAY) == ("2018-11-04 01:00", "2018-11-05 00:00", 23)


def test_where_midnight_comes_twice_the_day_begins_with_the_first() -> None:
    zone = "America/Havana"  # 2024-11-03: 01:00 became 00:00
    first = minute("2024-11-03 00:00", zone)
    second = minute("2024-11-03 00:00", zone, fold=1)
    assert second == first + 60
    assert period_of(first, zone, Period.DAY) == period_of(second, zone, Period.DAY)
    assert local_span(second, zone, Period.DAY)[2] == 25


def test_where_clocks_go_back_into_yesterday_no_period_comes_twice() -> None:
    zone = "America/St_Johns"  # 2010-11-07: 00:01 became 23:01 of the day before
    midnight = minute("2010-11-07 00:00", zone)
    assert f"{datetime.fromtimestamp((midnight + 1) * 60, ZoneInfo(zone)):%d %H:%M}" == "06 23:01"
    today = period_of(midnight, zone, Period.DAY)
    assert today[0] == midnight * 60
    assert period_of(midnight + 1, zone, Period.DAY) == today
    assert period_of(midnight + 30, zone, Period.DAY) == today
    assert period_of(midnight - 1, zone, Period.DAY)[1] == midnight * 60


def test_a_day_that_a_country_skipped_is_nobodys() -> None:
    zone = "Pacific/Apia"  # there was no 2011-12-30
    last = minute("2011-12-29 23:59", zone)
    end = period_of(last, zone, Period.DAY)[1]
    assert local_span(last + 1, zone, Period.DAY)[0] == "2011-12-31 00:00"
    assert period_of(last + 1, zone, Period.DAY)[0] == end


def test_a_boundary_inside_a_quarter_of_an_hour_is_exact() -> None:
    zone = "Asia/Singapore"  # in 1938 clocks were 7 hours 20 minutes ahead
    midnight = minute("1938-06-02 00:00", zone)
    assert midnight % 15 == 10
    assert period_of(midnight - 1, zone, Period.DAY)[1] == midnight * 60
    assert period_of(midnight, zone, Period.DAY)[0] == midnight * 60
    assert period_of(midnight + 1, zone, Period.DAY)[0] == midnight * 60


def budget() -> Budget:
    return BudgetConfig(amount_usd=Decimal(100), period=Period.DAY, zone="Asia/Tokyo").budget()


def test_levels_are_parts_of_the_amount_lowest_first() -> None:
    assert budget().levels == (
        Level("near", 80 * USD),
        Level("reached", 100 * USD),
        Level("exceeded", 120 * USD),
    )


def test_a_budget_counts_in_its_own_zone() -> None:
    at = minute("2024-05-02 08:30", "Asia/Tokyo")
    assert budget().period_of(at) == period_of(at, "Asia/Tokyo", Period.DAY)
    assert budget().period_of(at)[0] == minute("2024-05-01 15:00") * 60


def test_a_threshold_is_rounded_up_to_the_nano_dollar() -> None:
    config = BudgetConfig(amount_usd=Decimal("0.000000001"))
    assert [level.threshold_nanousd for level in config.budget().levels] == [1, 1, 2]


@pytest.mark.parametrize(("near", "reached", "exceeded"), [(2, 1, 3), (1, 2, 1), (1.5, 1, 1.2)])
def test_levels_that_do_not_rise_are_refused(near: float, reached: float, exceeded: float) -> None:
    ratios = {"near_ratio": near, "reached_ratio": reached, "exceeded_ratio": exceeded}
    with pytest.raises(ValidationError, match="near <= reached <= exceeded"):
        BudgetConfig.model_validate({"amount_usd": 1, **ratios})


def test_levels_may_be_equal() -> None:
    config = BudgetConfig(amount_usd=Decimal(1), near_ratio=Decimal(1), exceeded_ratio=Decimal(1))
    assert {level.threshold_nanousd for level in config.budget().levels} == {USD}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused_with_the_fix(zone: str) -> None:
    with pytest.raises(ValidationError, match="write an IANA name"):
        BudgetConfig(amount_usd=Decimal(1), zone=zone)
