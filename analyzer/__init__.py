"""Reads Chinese sales visit notes (拜访记录): outcome, evidence and the checklist of concerns."""

from analyzer import light_scipy  # noqa: F401  # before anything imports scipy
from analyzer.note_analyzer import NoteAnalyzer
from analyzer.records import Action, Commitment, Concern, NoteAnalysis, Outcome, OwnTopic, Span, Status, Topic

__version__ = "0.2.0"

__all__ = [
    "Action",
    "Commitment",
    "Concern",
    "NoteAnalysis",
    "NoteAnalyzer",
    "Outcome",
    "OwnTopic",
    "Span",
    "Status",
    "Topic",
    "__version__",
]
