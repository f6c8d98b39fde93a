"""Errors that a user can act on: each message says what was found, what was expected and what to do."""

from __future__ import annotations


class AnalyzerError(ValueError):
    """Base of all errors that this package raises on purpose."""


class TableError(AnalyzerError):
    """A file of notes could not be read or written."""


class EmptyTableError(TableError):
    """A file or a part of it holds no rows."""


class OutputError(TableError):
    """The name given for an output cannot work."""


class ColumnError(TableError):
    """The column that holds the notes could not be found."""


class JournalError(TableError):
    """An unfinished run cannot go on: it was of another input, other options or another model."""


class WorkerError(AnalyzerError):
    """Worker processes cannot start, or die time and again."""


class BadRowError(AnalyzerError):
    """A row could not be read or analysed, and the run was told to stop there."""


class ModelError(AnalyzerError):
    """A model folder is missing, damaged or of another format version."""


class LexiconError(AnalyzerError):
    """A word list is malformed."""


class CorpusError(AnalyzerError):
    """A training record breaks the annotation format."""
