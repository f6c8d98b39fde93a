"""Dates of cells and the grouping of visits: nothing is lost, time order holds."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import visit

from analyzer.visits import Visit, group_visits, parse_date


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-09-03", "2026-09-03"),
        ("2026-09-03 14:30:00", "2026-09-03"),
        ("2026-09-03T14:30:00+08:00", "2026-09-03"),
        ("2026/9/3", "2026-09-03"),
        ("2026.9.3", "2026-09-03"),
        ("2026年9月3日", "2026-09-03"),
        ("２０２６－０９－０３", "2026-09-03"),
        ("20260903", "2026-09-03"),
        ("周四 2026-09-03", "2026-09-03"),
        ("", None),
        ("昨天", None),
        ("2026-13-01", None),
        ("2026-02-29", None),
        ("13800138000", None),
        ("9月3日", None),
    ],
)
def test_dates_of_cells(cell: str, expected: str | None) -> None:
    found = parse_date(cell)
    assert (found.isoformat() if found else None) == expected


def named(row: int, customer: str, opportunity: str = "", date: str | None = None) -> Visit:
    return visit("去了一趟客户", date=date, row=row, customer=customer, opportunity=opportunity)


def rows(visits: tuple[Visit, ...]) -> list[int]:
    return [one.row for one in visits]


def test_one_group_a_customer_and_opportunity_in_time_order() -> None:
    found = group_visits(
        [
            named(2, "海川", "产线", "09-20"),
            named(3, "海川", "备件", "09-01"),
            named(4, "海 川", "产线", "09-02"),
            named(5, "别家", "产线", "09-03"),
        ]
    )
    assert [(one.title, rows(one.visits)) for one in found.opportunities] == [
        ("海川 · 产线", [4, 2]),
        ("海川 · 备件", [3]),
        ("别家 · 产线", [5]),
    ]


def test_a_visit_without_a_date_is_never_the_newest() -> None:
    found = group_visits([named(2, "海川", "", "09-20"), named(3, "海川"), named(4, "海川", "", "09-20")])
    assert [rows(one.visits) for one in found.opportunities] == [[3, 2, 4]]


def test_an_opportunity_without_a_customer_joins_its_only_customer() -> None:
    found = group_visits([named(2, "", "产线"), named(3, "海川", "产线"), named(4, "", "备件"), named(5, "", "")])
    assert [(one.customer, one.name, rows(one.visits)) for one in found.opportunities] == [
        ("海川", "产线", [2, 3]),
        ("", "备件", [4]),
    ]
    assert rows(found.unassigned) == [5]


def test_an_opportunity_of_two_customers_is_not_guessed() -> None:
    found = group_visits([named(2, "海川", "产线"), named(3, "别家", "产线"), named(4, "", "产线")])
    assert [(one.customer, rows(one.visits)) for one in found.opportunities] == [
        ("海川", [2]),
        ("别家", [3]),
        ("", [4]),
    ]


NAMES = st.sampled_from(["", "海川", "海川 ", "ＡＢ", "ab", "产线"])
DATES = st.one_of(st.none(), st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31)))


@given(st.lists(st.tuples(NAMES, NAMES, DATES), max_size=30))
def test_every_visit_is_in_just_one_place(cells: list[tuple[str, str, datetime.date | None]]) -> None:
    visits = [
        Visit(row, "去了一趟", None, date, customer, opportunity)
        for row, (customer, opportunity, date) in enumerate(cells, start=2)
    ]
    found = group_visits(visits)
    placed = [row for one in found.opportunities for row in rows(one.visits)] + rows(found.unassigned)
    assert sorted(placed) == [one.row for one in visits]
    for one in found.opportunities:
        dates = [each.date for each in one.visits]
        known = [date for date in dates if date]
        assert dates == [None] * (len(dates) - len(known)) + sorted(known)
