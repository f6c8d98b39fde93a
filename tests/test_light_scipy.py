from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys
import numpy as np
before = (list(np.__all__), dir(np))
import analyzer
loaded = sorted(name for name in ("numpy.f2py", "numpy.testing") if name in sys.modules)
same = before == (list(np.__all__), dir(np))
import numpy.testing, sklearn.linear_model
print(json.dumps([loaded, same, hasattr(np, "f2py")]))
"""


def test_the_package_loads_no_compiler_and_leaves_numpy_as_it_was() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [[], True, True]


def test_where_scipy_was_imported_before_nothing_is_done() -> None:
    program = "import scipy, numpy; listing = numpy.__dir__; import analyzer; print(numpy.__dir__ is listing)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"
