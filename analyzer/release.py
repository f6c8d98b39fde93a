"""Which release this is: part of what a run is made of."""

from __future__ import annotations

import functools


@functools.cache
def release() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version  # looked up only when asked for

    try:
        return version("visit-note-analyzer")
    except PackageNotFoundError:
        return "(not installed)"
