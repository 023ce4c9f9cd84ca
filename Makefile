# make demo  sets up and runs the main job on the built-in virtual controller
# make test  sets up and passes the tests
# make check what .ci/run does besides the tests: style, types, layers
# Needs git, make and Python 3.11 or newer with venv; everything else is installed into .venv.

PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out

.PHONY: demo test campaign check bench clean help

help:
	@sed -n 's/^# //p' Makefile | head -4

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "fabctl needs Python 3.11 or newer with venv: install it, or name it with PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.fabctl: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.fabctl-dev: $(VENV)/.fabctl
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

demo: $(VENV)/.fabctl
	$(BIN)/fabctl make jobs/stool.toml --out $(OUT)/stool --port sim:// --confirm plywood-router-600x900

# with FABCTL_GRBL_PORT the table of firmware facts is replayed against that controller too
test: $(VENV)/.fabctl-dev
	$(BIN)/python -m pytest $(if $(FABCTL_GRBL_PORT),-m "not campaign")

campaign: $(VENV)/.fabctl-dev
	$(BIN)/python -m pytest -m campaign

check: $(VENV)/.fabctl-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.fabctl-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(OUT) $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
