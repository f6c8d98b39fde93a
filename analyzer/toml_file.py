"""Finds and reads TOML files, shipped ones and those of users: milestone plans, rules, texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from analyzer.errors import AnalyzerError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def shipped_file(folder: str, name: str) -> Path:
    """Return a file of the checkout's ``data``: inside the installed package, or in the checkout itself."""
    package = Path(__file__).parent
    installed = package / "_data" / folder / name
    return installed if installed.is_file() else package.parent / "data" / folder / name


def parse_toml(data: bytes) -> dict[str, Any]:
    """Return what the bytes of a TOML file hold.

    Raises:
        ValueError: They are not UTF-8, or not TOML.
    """
    content: dict[str, Any] = tomllib.loads(data.decode("utf-8-sig"))
    return content


def read_toml(path: Path, kind: str, error_class: type[AnalyzerError] = AnalyzerError) -> dict[str, Any]:
    """Return what the file holds.

    Args:
        path: The file.
        kind: What the file should be, for the message.
        error_class: Class of the error.

    Raises:
        AnalyzerError: The file cannot be read, or is no TOML in UTF-8; of class ``error_class``.
    """
    try:
        return parse_toml(path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise error_class(f"{path} cannot be read ({reason}); expected {kind} in TOML") from error
    except ValueError as error:
        raise error_class(f"{path} is not valid TOML ({error}); compare it with the shipped file") from error
