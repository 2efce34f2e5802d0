# make run    from a bare clone to the dashboard in the browser
# make test   from a bare clone to all tests passed but those of `make test-long`
#
# PYTHON chooses the Python that .venv is made with: make run PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of tests: one more than there are cores, for a test waits for a page or a run at times.
PROCESSES = $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() + 1))')

.DEFAULT_GOAL := help
.PHONY: help run test test-long lint format types programs clean

help:
	@echo "make run      install what is needed into $(VENV) and open the dashboard"
	@echo "make test     install what the tests need as well, then lint, types and tests"
	@echo "make test-long  what takes minutes each: long runs, benchmark commands; CI runs both"
	@echo "make lint     ruff: rules and format        make format   let ruff repair both"
	@echo "make types    mypy                          make clean    remove $(VENV) and caches"

run: $(VENV)/installed
	$(BIN)/python -m streamlit run app.py

test: $(VENV)/installed-tests programs lint types
	$(BIN)/python -m pytest -m "not alone and not long" -n $(PROCESSES) --dist loadfile \
	    --no-loadscope-reorder --durations 12
	$(BIN)/python -m pytest -m alone

test-long: $(VENV)/installed-tests programs
	$(BIN)/python -m pytest -m long --durations 6

lint: $(VENV)/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/installed-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/installed-tests
	$(BIN)/mypy

# A stamp is younger than the lists it was installed from, or pip looks again. pip is asked through
# Python because a moved folder leaves its own script pointing at the old place.
$(VENV)/installed: requirements.txt constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(VENV) has a Python older than 3.11: make clean, then make run PYTHON=python3.12" >&2; \
	    exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-tests: $(VENV)/installed requirements-ray.txt tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check \
	    -r requirements-ray.txt -r tests/requirements.txt
	@touch $@

# The browser tests drive an installed Chromium. Where this is Debian and we may, it is installed.
programs:
	@tests/programs.sh

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
