# The front door. `make` lists what can be asked for.
PYTHON ?= python3
PORT ?= 8000
ARGS ?=
KILLS ?= 200
SEED ?= 1
BACKEND ?= site
BIN := .venv/bin
export PORT

.DEFAULT_GOAL := help
.PHONY: help demo test test-full check dev worker bench chaos shell requirements screenshots query-counts clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

demo: .venv/runtime ## three simulated nights, processed for real, in the browser (ARGS=--no-server: do it and exit)
	@HCM_ANONYMOUS_READ=1 HCM_LEASE_S=$${HCM_LEASE_S:-20} HCM_SWEEP_S=$${HCM_SWEEP_S:-2} $(BIN)/python manage.py demo $(ARGS)

test: .venv/dev ## install what the tests need, then check and test everything
	@scripts/system-packages
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-full: .venv/dev ## the slow tests alone: whole detectors, and what the system's package archive has
	@scripts/system-packages
	@HCM_REQUIRE_ALL=1 $(BIN)/python -m pytest -m full -s $(ARGS) tests

check: .venv/dev ## style, types, layers, templates, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py check

dev: .venv/dev ## the web server alone, reloading as you edit
	@HCM_DEBUG=1 $(BIN)/python manage.py runserver 127.0.0.1:$(PORT)

worker: .venv/runtime ## one worker, with the sweep
	@$(BIN)/python -m celery --app qcweb worker --beat --loglevel INFO

bench: .venv/dev ## benchmarks, side by side (ONLY=group for one group)
	@HCM_ANONYMOUS_READ=1 $(BIN)/python manage.py bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

chaos: .venv/dev ## kill parts of an installation at random moments (KILLS=200 SEED=1 BACKEND=site|embedded)
	@$(BIN)/python manage.py chaos --kills $(KILLS) --seed $(SEED) --backend $(BACKEND) $(ARGS)

shell: .venv/dev ## a Python shell with the models
	@$(BIN)/python manage.py shell

query-counts: .venv/dev ## write the numbers of queries that pages make anew
	@UPDATE_QUERY_COUNTS=1 $(BIN)/python -m pytest -q tests/qcweb/web/test_query_counts.py

screenshots: .venv/dev ## take the pictures of docs/ from the demo's pages
	@HCM_ANONYMOUS_READ=1 $(BIN)/python manage.py screenshots

requirements: ## compile the pinned requirements anew (needs uv)
	UV_CUSTOM_COMPILE_COMMAND="make requirements" uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links -q requirements.in -o requirements.txt
	UV_CUSTOM_COMPILE_COMMAND="make requirements" uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links -q requirements-dev.in requirements.in -o requirements-dev.txt

clean: ## remove the environment and the demo's data
	rm -rf .venv var

.venv/runtime: requirements.txt
	@scripts/environment $(PYTHON) requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt
	@scripts/environment $(PYTHON) requirements-dev.txt
	@touch .venv/runtime $@
