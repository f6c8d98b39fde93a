"""The next commitment: which act to ask the customer for, why, how to say it, and what to accept instead.

Three questions decide, as the sales method has it: does the act move the sale on; is it the highest that the customer
can realistically give now; does it stay within that. The rules stand in ``data/rules/next_commitment.toml`` and are
explained in ``docs/next_commitment.md``. The tool proposes; whether the moment is right is the salesperson's to judge.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from analyzer.due_dates import with_due_date
from analyzer.errors import RulesError
from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, Status, Topic
from analyzer.toml_file import read_toml, shipped_file

MAX_PROPOSALS = 2
_Label = TypeVar("_Label", Action, Topic)
_CLAUSE = re.compile(r"[^，。；！？、,;!?\n]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """An act to ask for.

    Attributes:
        action: kind of act.
        ask: what to ask for, as a phrase.
        reasons: why, one sentence for each of the three questions: it moves the sale on, it can be given now, it does
            not go beyond.
        settle_first: the open concern to answer before asking, where there is one.
        sentence: what to say.
        fallback: what to accept instead.
    """

    action: Action
    ask: str
    reasons: tuple[str, str, str]
    settle_first: Concern | None
    sentence: str
    fallback: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "action": self.action.value,
            "action_label": self.action.label,
            "ask": self.ask,
            "reasons": list(self.reasons),
            "settle_first": self.settle_first.span.to_dict() if self.settle_first else None,
            "sentence": self.sentence,
            "fallback": self.fallback,
        }


@dataclass(frozen=True, slots=True)
class Act:
    """An act of the rules; the file explains each key."""

    action: Action
    ask: str
    level: int
    milestone: str
    why: str
    say: str
    fallback: str
    after: tuple[str, ...] = ()
    stops: tuple[Topic, ...] = ()
    settle: tuple[Topic, ...] = ()
    refused: tuple[str, ...] = ()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules: acts from the least to the most demanding, steps, and words."""

    acts: tuple[Act, ...]
    steps: Mapping[str, int]
    refusal_words: tuple[str, ...]
    say_settle: str
    say_promised: str


def default_rules_path() -> Path:
    """Return the file of the shipped rules."""
    return shipped_file("rules", "next_commitment.toml")


@functools.lru_cache(maxsize=8)
def load_rules(path: str | Path | None = None) -> Rules:
    """Read the rules in the file ``path``, or the shipped ones.

    Raises:
        RulesError: the file cannot be read, or a key, action or topic in it is missing or unknown.
    """
    file = default_rules_path() if path is None else Path(path)
    data = read_toml(file, "rules", RulesError)
    try:
        return make_rules(data)
    except RulesError as error:
        raise RulesError(f"{file}: {error}") from error


def make_rules(data: Mapping[str, Any]) -> Rules:
    """Return the rules that parsed TOML describes.

    Raises:
        RulesError: a key, action or topic is missing or unknown.
    """
    tables = _value(data, "act", list, "the file")
    acts = [_act(table, f"act {number}") for number, table in enumerate(tables, start=1)]
    if not acts:
        raise RulesError("no [[act]] was found, expected at least one")
    doubled = [act.action.value for index, act in enumerate(acts) if act.action in {one.action for one in acts[:index]}]
    if doubled:
        raise RulesError(f"two acts have the action {doubled[0]!r}; join them into one")
    steps, refusal, say = (_value(data, key, dict, "the file") for key in ("steps", "refusal", "say"))
    _only(data, {"act", "steps", "refusal", "say"}, "the file")
    _only(steps, set(_STEPS), "[steps]")
    return Rules(
        acts=tuple(sorted(acts, key=lambda act: act.level)),
        steps={name: _value(steps, name, int, "[steps]") for name in _STEPS},
        refusal_words=_texts(refusal, "words", "[refusal]"),
        say_settle=_template(say, "settle", "concern"),
        say_promised=_template(say, "promised", "promise"),
    )


_STEPS = ("advance", "continuation", "streak", "many_open")


def _act(table: Any, where: str) -> Act:
    if not isinstance(table, dict):
        raise RulesError(f"{where} is {table!r}, expected a table [[act]]")
    where = f"act {table['action']!r}" if isinstance(table.get("action"), str) else where
    _only(table, set(Act.__slots__), where)
    action = _labels(Action, [_value(table, "action", str, where)], where)[0]
    return Act(
        action=action,
        **{key: _value(table, key, str, where) for key in ("ask", "milestone", "why", "say", "fallback")},
        level=_value(table, "level", int, where),
        after=_texts(table, "after", where),
        stops=_labels(Topic, _texts(table, "stops", where), where),
        settle=_labels(Topic, _texts(table, "settle", where), where),
        refused=_texts(table, "refused", where),
        repeats=_value(table, "repeats", bool, where) if "repeats" in table else False,
    )


def _value(table: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    value = table.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or value == "":
        found = "is missing" if value is None else f"is {value!r}"
        raise RulesError(f"{where}: {key} {found}, expected {_KINDS[kind]}")
    return value


_KINDS = {str: "text in quotes", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise RulesError(f"{where}: {key} is {values!r}, expected a list of texts in quotes")
    return tuple(values)


def _labels(kind: type[_Label], values: Sequence[str], where: str) -> tuple[_Label, ...]:
    known = {one.value: one for one in kind}
    for value in values:
        if value not in known:
            raise RulesError(f"{where} names {value!r}, expected one of {', '.join(known)}")
    return tuple(known[value] for value in values)


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise RulesError(f"{where} has the key {key!r}, expected one of {', '.join(sorted(known))}")


def _template(table: Mapping[str, Any], key: str, field: str) -> str:
    text: str = _value(table, key, str, "[say]")
    if f"{{{field}}}" not in text:
        raise RulesError(f"[say]: {key} is {text!r}, expected {{{field}}} in it")
    return text


# --- what to ask for ------------------------------------------------------------------------------


def refused_acts(note: str, rules: Rules | None = None) -> frozenset[Action]:
    """Return the acts that ``note`` says were refused: named in one clause with a word of refusal.

    >>> sorted(action.value for action in refused_acts("王工不同意试用，说先看资料"))
    ['trial']
    """
    rules = rules or load_rules()
    clauses = [clause for clause in _CLAUSE.findall(note) if any(word in clause for word in rules.refusal_words)]
    return frozenset(
        act.action for act in rules.acts if any(word in clause for clause in clauses for word in act.refused)
    )


def propose_commitments(
    analyses: Sequence[NoteAnalysis],
    *,
    dates: Sequence[datetime.date | None] = (),
    as_of: datetime.date | None = None,
    last_note: str = "",
    open_concerns: Sequence[Concern] | None = None,
    reached: Collection[str] = (),
    ready: Collection[str] = (),
    blocked: Collection[str] = (),
    rules: Rules | None = None,
) -> tuple[Proposal, ...]:
    """Return the one or two acts to ask the customer for next, the better one first.

    None after a refusal of the sale, and none when nothing is left to ask for.

    Args:
        analyses: the visits to one opportunity in time order; those without an outcome do not count.
        dates: days of the visits, beside ``analyses``, from which promises are dated that are not yet.
        as_of: the day on which it is asked; tells which promises are overdue.
        last_note: text of the last note, for acts that it says were refused; its evidence is read in any case.
        open_concerns: what still waits for an answer, the most important first; by default the open concerns of the
            last visit with findings.
        reached: names of the plan's milestones that are reached or passed.
        ready: names of those whose preconditions hold.
        blocked: names of the others.
        rules: by default the shipped ones.
    """
    rules = rules or load_rules()
    pairs = zip(analyses, [*dates, *[None] * (len(analyses) - len(dates))], strict=True)
    visits = [(analysis, date) for analysis, date in pairs if analysis.outcome is not None]
    if not visits or visits[-1][0].outcome is Outcome.NO_SALE:
        return ()
    promised = _pending_promise(*visits[-1])
    situation = _situation([analysis for analysis, _ in visits], last_note, open_concerns, rules)
    situation = _with_milestones(situation, (set(reached), set(ready), set(blocked)), promised, rules)
    candidates = [
        act
        for act in rules.acts
        if not _already(act, situation)
        and not (promised and act.action is promised.action)
        and not _hindrance(act, situation)
    ]
    if situation.last is Outcome.ORDER:
        candidates = [act for act in candidates if act.action is Action.PAY]
    within = [act for act in candidates if act.level <= situation.limit] or candidates[:1]
    proposals = [_proposal(act, situation, rules) for act in reversed(within)]
    if promised and _is_overdue(promised, as_of):
        again = _renewal(promised, situation, rules)
        proposals = [again, *proposals] if again else proposals
    return tuple(proposals[:MAX_PROPOSALS])


@dataclass(frozen=True, slots=True)
class _Situation:
    """What counts for the choice.

    Attributes:
        last: outcome of the last visit.
        streak: visits at the end that went on without an act.
        refused: acts refused in the last visit.
        open: concerns without an answer.
        reached: milestones that are reached.
        ready: milestones whose preconditions hold.
        blocked: milestones whose preconditions do not hold.
        given: acts given so far and not taken back.
        known: milestones that the plan has; none where there is no plan.
        highest: the most demanding act given so far.
        limit: the highest level that may be asked for.
    """

    last: Outcome
    streak: int
    refused: frozenset[Action]
    open: tuple[Concern, ...]
    given: frozenset[Action]
    reached: frozenset[str] = frozenset()
    ready: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()
    highest: Act | None = None
    limit: int = 0


def _situation(
    analyses: Sequence[NoteAnalysis], last_note: str, open_concerns: Sequence[Concern] | None, rules: Rules
) -> _Situation:
    last = analyses[-1]
    if open_concerns is None:
        open_concerns = [concern for concern in last.concerns if concern.status is Status.OPEN]
    told = "。".join([last_note, *(span.text for span in last.evidence)])
    outcomes = [analysis.outcome for analysis in reversed(analyses)]
    streak = next((n for n, one in enumerate(outcomes) if one is not Outcome.CONTINUATION), len(outcomes))
    refused = refused_acts(told, rules)
    given = frozenset(analysis.commitment.action for analysis in analyses if analysis.commitment) - refused
    return _Situation(last.outcome or Outcome.CONTINUATION, streak, refused, tuple(open_concerns), given)


def _with_milestones(
    situation: _Situation,
    plan: tuple[set[str], set[str], set[str]],
    promised: Commitment | None,
    rules: Rules,
) -> _Situation:
    reached, ready, blocked = plan
    known = reached | ready | blocked
    if not known:  # no plan: the acts given in the notes are all that tells how far the sale is
        reached = _passed({act.milestone for act in rules.acts if act.action in situation.given}, rules)
        reached -= {act.milestone for act in rules.acts if promised and act.action is promised.action}
    if situation.last is Outcome.ORDER:
        reached |= {act.milestone for act in rules.acts if act.action is Action.SIGN}
    least = {act.milestone: act for act in reversed(rules.acts)}  # a milestone may be reached by several acts
    done = [
        act
        for act in rules.acts
        if act.action in situation.given or (act.milestone in reached and act is least[act.milestone])
    ]
    highest = done[-1] if done else None
    step = "advance" if situation.last.success else "continuation" if situation.streak < 2 else "streak"
    limit = (highest.level if highest else 0) + rules.steps[step] - (len(situation.open) >= rules.steps["many_open"])
    return dataclasses.replace(
        situation,
        reached=frozenset(reached),
        ready=frozenset(ready),
        known=frozenset(known),
        blocked=frozenset(blocked),
        highest=highest,
        limit=limit,
    )


def _passed(reached: set[str], rules: Rules) -> set[str]:
    """Return ``reached`` with all that must have come before."""
    while more := {name for act in rules.acts if act.milestone in reached for name in act.after} - reached:
        reached = reached | more
    return reached


def _pending_promise(last: NoteAnalysis, date: datetime.date | None) -> Commitment | None:
    """Return what the customer promised in the last visit and has had no later visit to do."""
    return with_due_date(last, date).commitment if last.outcome is Outcome.ADVANCE else None


def _is_overdue(promised: Commitment, as_of: datetime.date | None) -> bool:
    return as_of is not None and promised.due_date is not None and promised.due_date < as_of


def _already(act: Act, situation: _Situation) -> bool:
    return act.milestone in situation.reached and not act.repeats


def _hindrance(act: Act, situation: _Situation) -> str:
    """Return why the act must not be asked for now; empty where nothing stands against it."""
    if act.action in situation.refused:
        return "上次拜访客户明确没有同意"
    stopping = next((concern for concern in situation.open if concern.topic in act.stops), None)
    if stopping:
        return f"“{_words(stopping.span.text)}”还没有答复"
    # A plan of the user's own need not have every milestone: what it does not know is not waited for.
    missing = [name for name in act.after if name not in situation.reached]
    if situation.known:
        missing = [name for name in missing if name in situation.known]
    if missing or act.milestone in situation.blocked:
        return "前面的里程碑还没有达成"
    return ""


def _proposal(act: Act, situation: _Situation, rules: Rules) -> Proposal:
    settle = _settle_first(act, situation.open)
    sentence = act.say
    if settle:
        sentence = rules.say_settle.replace("{concern}", _words(settle.span.text)) + sentence
    reasons = (act.why, _realistic(act, situation), _not_beyond(act, situation, rules))
    return Proposal(act.action, act.ask, reasons, settle, sentence, act.fallback)


def _renewal(promised: Commitment, situation: _Situation, rules: Rules) -> Proposal | None:
    """Return the proposal to keep a promise whose day has passed, where nothing stands against the act."""
    act = next((one for one in rules.acts if one.action is promised.action), None)
    if act is None or _hindrance(act, situation):
        return None
    words = _words(promised.span.text)
    reasons = (
        act.why,
        f"这是客户自己答应过的，原定 {promised.due_date} 之前，已经过期",
        "先把答应过的落实，再往上要",
    )
    sentence = rules.say_promised.replace("{promise}", words)
    return Proposal(
        act.action, f"落实上次答应的事：{words}", reasons, _settle_first(act, situation.open), sentence, act.fallback
    )


def _settle_first(act: Act, concerns: Sequence[Concern]) -> Concern | None:
    for topic in act.settle:
        for concern in concerns:
            if concern.topic is topic:
                return concern
    return concerns[0] if concerns else None


def _realistic(act: Act, situation: _Situation) -> str:
    """Return why the customer can give the act now."""
    if situation.last is Outcome.ORDER:
        return "客户已经签约下单"
    highest = situation.highest
    if highest is None:
        words = "客户还没有给过具体行动，先要一个容易答应的"
    elif act.level <= highest.level:
        words = f"客户已走到“{highest.action.label}”这一步，这件事没有超出它"
    else:
        words = f"客户已走到“{highest.action.label}”这一步，这件事只往前一点"
    if situation.streak >= 2:
        words += f"；连续 {situation.streak} 次没有新的行动，不能要得太多"
    return words + ("；前提都已具备" if act.milestone in situation.ready and act.after else "")


def _not_beyond(act: Act, situation: _Situation, rules: Rules) -> str:
    """Return why the next higher act is not asked for."""
    floor = max(act.level, situation.highest.level if situation.highest else 0)
    higher = next((one for one in rules.acts if one.level > floor and not _already(one, situation)), None)
    if higher is None:
        return "这已是最后一步，没有更高的要求"
    too_much = "比客户给过的高出太多" if higher.level > situation.limit else "先走完这一步"
    return f"暂不要“{higher.action.label}”：{_hindrance(higher, situation) or too_much}"


def _words(text: str) -> str:
    return " ".join(text.split())
