"""scipy.sparse imported without parts of NumPy that nobody here uses. Imported before anything that needs scipy.

scipy makes a copy of NumPy's name space when it is imported. That looks at every name that NumPy lists, and so loads
its Fortran compiler front end and its test tools: a tenth of a second, most of it to compile regular expressions,
each time that somebody asks for one note.
"""

from __future__ import annotations

import importlib
import sys

import numpy as np

_UNUSED = frozenset({"f2py", "testing"})  # modules that NumPy itself loads only when somebody names them


def import_sparse() -> None:
    """Import scipy.sparse while NumPy does not list those modules; afterwards it lists all that it did before."""
    listing = vars(np).get("__dir__")
    if "scipy" in sys.modules or listing is None:
        return  # too late, or a NumPy that lists them in another way: then it is imported as usual
    names, shown = np.__all__, [name for name in listing() if name not in _UNUSED]
    try:
        vars(np).update(__all__=[name for name in names if name not in _UNUSED], __dir__=lambda: shown)
        importlib.import_module("scipy.sparse")
    finally:
        vars(np).update(__all__=names, __dir__=listing)


import_sparse()
