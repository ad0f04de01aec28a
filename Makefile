# One command each; every target sets up what it needs. Variables: PYTHON, VENV, ARGS.

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
CANDIDATES := python3.13 python3.12 python3.11 python3

# The newest interpreter that really runs: a name on the path may be no more than a shim.
PYTHON ?= $(shell for name in $(CANDIDATES); do \
	if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo "$$name"; break; fi; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check bench fix reference lock clean distclean

help:  ## show this list
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1 \2/p' $(MAKEFILE_LIST) \
		| awk '{ name = $$1; $$1 = ""; printf "  %-10s%s\n", name, $$0 }'

setup: $(STAMP)  ## make the virtual environment, again only when its description changed

$(STAMP): pyproject.toml requirements-dev.txt
	@if [ ! -x $(BIN)/python ]; then \
		if [ -z "$(PYTHON)" ]; then \
			echo "No Python 3.11 or newer was found (looked for: $(CANDIDATES))." >&2; \
			echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "$(PYTHON) cannot make virtual environments: venv or ensurepip is missing." >&2; \
			echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
			exit 1; \
		fi; \
		"$(PYTHON)" -m venv $(VENV); \
	fi
	@if [ -x $(BIN)/uv ]; then \
		install="$(BIN)/uv pip install --quiet --python $(BIN)/python"; \
	else \
		install="$(BIN)/python -m pip install --quiet --disable-pip-version-check"; \
	fi; \
	$$install -r requirements-dev.txt && $$install --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## run the demonstration
	$(BIN)/python examples/flights/main.py $(ARGS)

# In CI one after the other, for the load of neighbours is no test of ours.
WORKERS ?= $(if $(CI),0,auto)

test: $(STAMP)  ## run all tests; what is skipped is listed with its reason (WORKERS=1: in turn)
	$(BIN)/python -m pytest -q -ra -n $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

check: $(STAMP)  ## lint, types, architecture, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests/typing docs/examples examples/host
	cd examples/flights && MYPYPATH=../../src:. ../../$(BIN)/mypy --config-file ../../pyproject.toml .
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/architecture

bench: $(STAMP)  ## run every script in benchmarks/, one after the other
	@set -e; for script in benchmarks/[!_]*.py benchmarks/nexmark/run.py; do \
		echo "== $$script"; $(BIN)/python "$$script" $(ARGS); done

fix: $(STAMP)  ## repair what lint and format can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(STAMP)  ## write docs/reference anew from the options of all parts
	$(BIN)/python -c "import pathlib, bspump.cli.reference as r; \
		r.write_reference(pathlib.Path('docs/reference'))"

lock: $(STAMP)  ## resolve requirements-dev.txt anew (ARGS=--upgrade for newer versions)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --all-extras \
		--group dev --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--output-file requirements-dev.txt $(ARGS)

clean:  ## remove what tests, checks and builds leave behind
	rm -rf build dist site demo-output .coverage .benchmarks .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## and the virtual environment
	rm -rf $(VENV)
