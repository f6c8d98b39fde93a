"""The customer's act that makes an order or an advance: its span, its kind, and the words that name its time.

The evidence tagger finds stretches that often hold more than the act. A linear model chooses among them and their
parts, as with concerns (``analyzer.candidates``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analyzer.candidates import Candidates, candidate_inputs, candidates_at, pieces, places_of
from analyzer.features import Batch, Events, bucket, context_events, note_tokens, span_events, tokens_of
from analyzer.linear import FloatArray, Linear, relative, scaled
from analyzer.records import Action, Offsets
from analyzer.segmenter import IntArray
from analyzer.tagger import marked

ACTIONS = tuple(Action)
_OUTCOME = 390  # template of the outcome as a feature of the act
_PIECE = 3  # clauses that a part of a stretch may hold
_CLAUSES = 8  # of a stretch whose parts are offered; bounds their number


@dataclass(frozen=True, slots=True)
class CommitmentModel:
    """Models of what is the act, and of its kind.

    Attributes:
        choice: one class: the act.
        action: one class an action.
    """

    choice: Linear
    action: Linear

    def acts(self, batch: Batch, candidates: Candidates, outcomes: IntArray) -> dict[int, tuple[Offsets, Action]]:
        """Return the act of each note that has candidates: the likeliest of them, and its kind.

        Args:
            batch: the notes.
            candidates: as ``act_candidates`` returns them.
            outcomes: number of each note's outcome, shape (notes,).
        """
        if not len(candidates):
            return {}
        inputs = action_inputs(batch, candidates.start, candidates.end, outcomes[candidates.note])
        odds = self.choice.decision(candidate_inputs(batch, candidates, inputs))[:, 0]
        ranked = np.lexsort((-odds, candidates.note))  # stable: of two as likely, the first
        best = ranked[np.append(True, np.diff(candidates.note) > 0)]
        kinds = relative(self.action.decision(inputs[best])).argmax(axis=1)
        return {
            note: ((start, end), ACTIONS[kind])
            for (note, start, end), kind in zip(candidates.chosen(best).places(), kinds.tolist(), strict=True)
        }


def act_candidates(batch: Batch, evidence: FloatArray, labels: IntArray, outcomes: IntArray) -> Candidates:
    """Return what may be the customer's act, in order: stretches of evidence, and the clauses that they touch.

    Args:
        batch: the notes.
        evidence: what the evidence tagger makes of each token, shape (tokens, outcomes + 1).
        labels: its label of each token, shape (tokens,): ``k + 1`` is inside evidence of outcome ``k``.
        outcomes: number of each note's outcome, -1 for notes without an act, shape (notes,).
    """
    found = batch.found
    own, every = outcomes[found.token_note], np.arange(len(labels))
    of_own = np.where(own >= 0, evidence[every, 1 + own], 0.0)
    rivals = evidence[:, 1:].copy()
    rivals[every, own] = -np.inf
    rival = rivals.max(axis=1)
    note, start, end, kind = marked(2 * labels, batch)
    kept = kind == outcomes[note]
    note, start, end = note[kept], start[kept], end[kept]
    first, after = tokens_of(batch, start, end)
    # Where no stretch is tagged so, the clause with the strongest token stands for it.
    lacking = np.setdiff1d(np.flatnonzero(outcomes >= 0), note)
    bounds = note_tokens(batch)
    votes = np.where(batch.is_word, of_own - evidence[:, 0], -np.inf)
    strongest = np.array([bounds[at] + votes[bounds[at] : bounds[at + 1]].argmax() for at in lacking], dtype=np.int64)
    strongest = strongest[batch.is_word[strongest]]
    begins, ends = np.concatenate([first, strongest]), np.concatenate([after, strongest + 1])
    row, left, right = pieces(batch, begins, ends, _PIECE, _CLAUSES)
    inner = row < len(first)
    cut_left, cut_right = np.maximum(left, begins[row])[inner], np.minimum(right, ends[row])[inner]
    tagged = places_of(start, end)
    at_token = found.token_start
    parts = places_of(at_token[left], at_token[right]), places_of(at_token[cut_left], at_token[cut_right])
    scores = np.column_stack([evidence[:, 0], of_own, of_own, rival, rival])
    return candidates_at(batch, scores, np.unique(np.concatenate([tagged, *parts])), tagged)


def action_inputs(batch: Batch, starts: IntArray, ends: IntArray, outcomes: IntArray) -> sparse.csr_array:
    """Return what the model of acts reads of each span: itself, its surroundings, and the note's outcome.

    Args:
        batch: the notes.
        starts: first character of each span, as an offset in the batch's text.
        ends: the character after.
        outcomes: number of the outcome of each span's note.
    """
    n = len(starts)
    span, around = span_events(batch, starts, ends), context_events(batch, starts, ends)
    rows = np.concatenate([span.rows, around.rows, np.arange(n)])
    return scaled(Events(rows, np.concatenate([span.buckets, around.buckets, bucket(_OUTCOME, outcomes)])).matrix(n))


_NUMBER = "[0-9一二三四五六七八九十两半几]+"
_HALF_DAY = "(?:凌晨|早上|上午|中午|下午|傍晚|晚上)"
_PART_OF_DAY = f"(?:{_HALF_DAY}|早|晚)"
_CLOCK = f"(?:{_NUMBER}(?:点半|点[0-9十]+分?|点钟?|:[0-9]{{2}}))"
_WEEK = "(?:周|礼拜|星期)"
# Times to come: what is done has no due time, so 昨天, 上周五 and 今天 are left out.
_DAY = (
    "(?:大后天|后天|明天|今晚|明晚|明早|次日|隔天|明儿|后儿|"
    f"(?<!上)(?<!上个)(?:这|本|下|下下)?个?{_WEEK}[一二三四五六日天末](?!到)|(?:这|本|下|下下)个?{_WEEK}初?|"
    f"(?:(?:今年|明年)?{_NUMBER}月|下个?月|本月|这个?月)?{_NUMBER}[号日](?![楼机线车厂门岗院桌床柴抗汽馆店库])|"
    "[0-9]{1,2}/[0-9]{1,2}(?![0-9万元%折])|[0-9]{1,2}\\.[0-9]{1,2}(?=[来前之上下去开签带过参送寄约])|"
    "(?:这|本|下|下下)个?月(?:初|中旬|中|上旬|下旬|底|末)?|月(?:初|中旬|中|底|末)|年(?:底|末|初|中)|季度?(?:初|末)|"
    f"(?:今年|明年|后年)?{_NUMBER}月份?(?:初|中旬|中|上旬|下旬|底|末)?|(?:明|后)年(?:初|底|末|上半年|下半年|春天|开春)?|"
    "[上下]半年|[qQ][1-4]|(?:下|本|这)个?季度初?末?|"
    "(?:国庆|中秋|元旦|春节|五一|端午|清明|十一|双十一|年|节|假期?|过年|暑假|寒假|开学)(?:之?前|之?后|期间)|开春|开学|"
    f"(?:正月)?初[一二三四五六七八九十]|{_NUMBER}(?:个(?:月|工作日|礼拜|星期|小时)|天|周|年|小时)(?:之?内|以内|之?后|以后)|"
    "过(?:几天|两天|完年|完节|了年))"
)
# The words that name a time, as the guideline marks them (下周三, 月底前, 11月8号上午); data/GUIDELINE.md, part 3.
_DUE = re.compile(
    f"{_DAY}(?:的?{_PART_OF_DAY})?{_CLOCK}?(?:之?前|以前|左右|之?内)?|{_PART_OF_DAY}{_CLOCK}(?:之?前|以前)?|{_HALF_DAY}(?!好)"
)


def find_due(text: str) -> Offsets | None:
    """Return the span of the first words in the clean ``text`` that name a time, or ``None``.

    >>> text = "让我们下周三下午带样机过去"
    >>> text[slice(*find_due(text))]
    '下周三下午'
    >>> find_due("合同已签")
    """
    match = _DUE.search(text)
    return match.span() if match else None
