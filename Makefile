# `make run` serves the studio, `make test` proves it; each makes .venv and installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-all check bench micro clean

run: .venv/installed
	$(BIN)/python app.py

# Two processes: more would each hold torch and a browser. Files stay whole, since their fixtures do.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test: .venv/installed-test
	$(PYTEST) -m "not slow"

test-all: .venv/installed-test
	$(PYTEST)

check: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed-test
	$(BIN)/python -m tests.bench.bench_f16_decode
	$(BIN)/python -m tests.bench.bench_metrics
	$(BIN)/python -m tests.bench.bench_render_memory
	$(BIN)/python -m tests.bench.bench_opening

micro: .venv/installed
	$(BIN)/python -m finetune.micro

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -m venv .venv

# Else every process compiles all that it imports anew: half a minute each, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

# --no-compile: of 20,000 modules, 100 s of one core, a fifth is ever imported; Python keeps those as it goes.
.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --editable .
	touch $@

.venv/installed-test: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[test]"
	touch $@ .venv/installed
