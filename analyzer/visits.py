"""Visits, the opportunities that they belong to, and words quoted from their notes.

Nothing is lost in grouping: a visit without a date stays in its opportunity (before the dated ones, so that it never
counts as the newest), a visit with neither customer nor opportunity is set apart and reported.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analyzer.records import NoteAnalysis, Outcome, Span


@dataclass(frozen=True, slots=True)
class Visit:
    """One row of an export with its findings.

    Attributes:
        row: number of the row in the table; the header is row 1.
        note: the note as given.
        analysis: its findings; ``None`` where it could not be analysed.
        date: day of the visit; ``None`` where the row has none that can be read.
        problem: what was wrong with the row, for the user.
    """

    row: int
    note: str
    analysis: NoteAnalysis | None
    date: datetime.date | None = None
    customer: str = ""
    opportunity: str = ""
    salesperson: str = ""
    team: str = ""
    problem: str = ""

    @property
    def outcome(self) -> Outcome | None:
        """Outcome of the visit; ``None`` for an empty note or one that could not be analysed."""
        return self.analysis.outcome if self.analysis else None


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a note: ``visit.note[span.start:span.end] == span.text``."""

    visit: Visit
    span: Span

    @property
    def text(self) -> str:
        """The words."""
        return self.span.text

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data with the row and the date, so that the words can be looked up."""
        date = self.visit.date
        return {"row": self.visit.row, "date": date.isoformat() if date else None, **self.span.to_dict()}


@dataclass(frozen=True, slots=True)
class Opportunity:
    """The sale that a series of visits is about.

    Attributes:
        customer: name of the customer; may be empty.
        name: name of the opportunity; empty where the export has none, then the customer is the opportunity.
        visits: in time order; those without a date come first, in the order of the file.
    """

    customer: str
    name: str
    visits: tuple[Visit, ...]

    @property
    def title(self) -> str:
        """Customer and name in one line.

        >>> Opportunity("海川机械", "二期产线", ()).title, Opportunity("海川机械", "", ()).title
        ('海川机械 · 二期产线', '海川机械')
        """
        return " · ".join(filter(None, [self.customer, self.name if self.name != self.customer else ""]))


@dataclass(frozen=True, slots=True)
class Grouping:
    """Opportunities in the order of their first row, and the visits that name neither customer nor opportunity."""

    opportunities: tuple[Opportunity, ...]
    unassigned: tuple[Visit, ...]


_DATE = re.compile(r"(?<!\d)(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)")


def parse_date(text: str) -> datetime.date | None:
    """Return the day that a cell of a date column names, or ``None``.

    >>> [str(parse_date(text)) for text in ("2026-09-03 14:30", "2026/9/3", "2026年9月3日 周四", "20260903")]
    ['2026-09-03', '2026-09-03', '2026-09-03', '2026-09-03']
    >>> parse_date("九月初"), parse_date("2026-02-30")
    (None, None)
    """
    plain = unicodedata.normalize("NFKC", text)
    match = _DATE.search(plain) or _COMPACT.search(plain)
    if not match:
        return None
    try:
        return datetime.date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def name_key(name: str) -> str:
    """Return what makes two spellings of a name the same: width, case and blanks do not count.

    >>> name_key("ＡＢＣ 公司") == name_key("abc公司")
    True
    """
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def group_visits(visits: Iterable[Visit]) -> Grouping:
    """Group visits by customer and opportunity, each group in time order.

    A row that names the opportunity but no customer joins the one customer who has an opportunity of that name.
    """
    visits = list(visits)
    customers: dict[str, set[str]] = defaultdict(set)
    for visit in visits:
        if visit.customer and visit.opportunity:
            customers[name_key(visit.opportunity)].add(name_key(visit.customer))
    groups: dict[tuple[str, str], list[Visit]] = defaultdict(list)
    unassigned: list[Visit] = []
    for visit in visits:
        customer, name = name_key(visit.customer), name_key(visit.opportunity)
        if not customer and not name:
            unassigned.append(visit)
            continue
        if not customer and len(customers[name]) == 1:
            (customer,) = customers[name]
        groups[customer, name].append(visit)
    return Grouping(tuple(_opportunity(group) for group in groups.values()), tuple(unassigned))


def _opportunity(visits: list[Visit]) -> Opportunity:
    customer = next((visit.customer for visit in visits if visit.customer), "")
    name = next((visit.opportunity for visit in visits if visit.opportunity), "")
    ordered = sorted(visits, key=lambda visit: (visit.date or datetime.date.min, visit.row))
    return Opportunity(customer, name, tuple(ordered))
