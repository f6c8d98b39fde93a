# Two commands do all the set-up: `make score` and `make test`. Any Python from 3.10 on will do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE := data/examples/拜访记录导出.xlsx
HISTORY := data/examples/跟进记录_三个月.csv

.PHONY: score report test train evaluate bench bench-write clean

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; found " + sys.version.split()[0] + ". Name another one with: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

score: $(VENV)/installed
	$(BIN)/visit-notes score $(EXAMPLE) -o 拜访记录导出.scored.xlsx

report: $(VENV)/installed
	$(BIN)/visit-notes report $(HISTORY) -o 跟进记录_三个月.report.html

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

train: $(VENV)/installed
	$(BIN)/python scripts/train.py

evaluate: $(VENV)/installed
	$(BIN)/python scripts/evaluate.py

bench: $(VENV)/installed
	$(BIN)/python scripts/benchmark.py

bench-write: $(VENV)/installed-dev
	$(BIN)/python scripts/benchmark.py --all --write

clean:
	rm -rf $(VENV)
