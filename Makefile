# The whole set-up. Everything lives in .venv; delete it to start afresh.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The CPU build of torch, unless the caller wants another: make TORCH=torch quickstart
TORCH ?= torch~=2.13.0
STAMP := $(VENV)/.installed

.PHONY: setup quickstart test
setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "$(TORCH)" --constraint constraints.txt
	$(BIN)/pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $(STAMP)

quickstart: setup
	$(BIN)/bothways quickstart

test: setup
	$(BIN)/ruff check src tests
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2
