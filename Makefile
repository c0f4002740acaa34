# `make help` lists what there is. Every target works from a clean clone with Python 3.11 or later and make.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

# The interpreter that makes .venv. By default the newest that is 3.11 or later and can make virtual environments.
PYTHON ?=
BIN := .venv/bin
ARGS ?=
SECONDS ?= 60
TARGET ?=
CHECKOUT ?=
RUNS ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test stress fuzz bench conformance-xapi lint generate check-generated lock clean venv venv-dev
help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

run: venv ## Runs everything on http://localhost:3001 (PORT, VAR_DIR, DATABASE_URL, GCS_BUCKET, SERVE_PROCESSES)
	@exec $(BIN)/python -m server.dev --end-with-parent

test: venv-dev ## Runs every test; installs what they need, Chromium too (ARGS goes to pytest)
	@$(BIN)/python -m tests.chromium
	@exec $(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

stress: venv-dev ## Runs the stress tests at full size and prints what they count (ARGS goes to pytest)
	@$(BIN)/python -m tests.chromium
	@exec $(BIN)/python -m pytest -n 0 -rA --full tests/stress $(ARGS)

fuzz: venv-dev ## Fuzzes archive, manifest and form, SECONDS (60) each, or only TARGET
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-fuzz.txt
	@exec $(BIN)/python -m tests.fuzz $(SECONDS) $(TARGET)

bench: venv-dev ## Measures against baselines and writes tests/bench/RESULTS.md (ARGS chooses rows, and --quick)
	@exec $(BIN)/python -m tests.bench $(ARGS)

conformance-xapi: venv-dev ## Runs ADL's suite for xAPI 1.0.3 and 2.0 from its CHECKOUT, RUNS (1) times each; needs node
	@exec $(BIN)/python -m tests.conformance "$(CHECKOUT)" "$(RUNS)"

lint: venv-dev ## Checks style, types, protos, layers, gateway and generated files
	@exec $(BIN)/python -m server.dev.lint

generate: venv-dev ## Writes everything that is generated from the protos and the error catalogue
	@exec $(BIN)/python -m server.dev.generate

check-generated: venv-dev ## Fails if `make generate` would change a file
	@exec $(BIN)/python -m server.dev.generate --check

lock: venv-dev ## Pins the dependencies of pyproject.toml again
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.txt
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --group fuzz -o requirements-fuzz.txt

clean: ## Removes all data and secrets of `make run` in VAR_DIR; keeps .venv
	@if [ -e "$${VAR_DIR:-var}" ]; then $(MAKE) venv && exec $(BIN)/python -m server.dev --clean; fi

venv:
	@python=$$(PYTHON="$(PYTHON)" .ci/python) && exec "$$python" server/dev/install.py run

venv-dev:
	@python=$$(PYTHON="$(PYTHON)" .ci/python) && exec "$$python" server/dev/install.py dev
