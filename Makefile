# Everything sets itself up in .venv from the hashed lock files; only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo test crash campaign faults fuzz soak clients schema openapi boot image image-proof lint check bench study cover picture liquidation metrics lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

setup: $(VENV)/.dev ## set up .venv with all that developing takes

demo: $(VENV)/.run ## a scripted fall into danger and back, on a local exchange (45 seconds; the first time also sets up .venv)
	$(VENV)/bin/python -m monitor demo

test: $(VENV)/.dev ## all tests, as many at once as there are processors
	$(VENV)/bin/python -m pytest --numprocesses auto --dist worksteal $(TEST)

crash: $(VENV)/.dev ## kill the daemon at every step of an alert and at 200 random moments, and count (two minutes)
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m tests.crash.campaign

faults: $(VENV)/.dev ## every fault while a price falls into an emergency: renews docs/faults.md (a few minutes)
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m tests.faults $(FAULTS)

fuzz: $(VENV)/.dev ## a million inputs nobody sends, into every place where foreign bytes come in (some minutes)
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m tests.fuzz $(FUZZ)

soak: $(VENV)/.dev ## a day of 200 symbols with hourly disconnects, as fast as it goes, and what of it is left in memory
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m tests.soak $(SOAK)

campaign: $(VENV)/.dev ## 500 seeded stories full of faults, on a clock that does not wait (five minutes)
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m tests.faults.campaign --runs 500

clients: $(VENV)-clients/.done ## other people's clients of the exchange, unmodified, against the emulator
	$(VENV)-clients/bin/python -m pytest tests/emulator/test_clients.py

boot: $(VENV)/.dev ## a fresh Debian booted in a container, and the service on it by the README's words; as root (BOOT= takes options)
	$(VENV)/bin/python -m tests.service $(BOOT)

image: ## the image of the service, by docker; IMAGE= takes more options of docker build
	docker build --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" --tag position-monitor $(IMAGE) .

image-proof: $(VENV)/.dev ## build the image, run it against the local exchange as the composition does, and say what was seen
	$(VENV)/bin/python -m tests.deploy.prove $(PROOF)

schema: $(VENV)/.dev $(VENV)-schema/.done ## all that docs/openapi.json allows, and what it does not, asked of a running daemon
	$(VENV)/bin/python -m tests.web.schema $(VENV)-schema/bin/schemathesis $(SCHEMA)

openapi: $(VENV)/.dev ## renew docs/openapi.json
	$(VENV)/bin/python -m docs.openapi

lint: $(VENV)/.dev ## formatting, lint, types, import directions
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

check: lint test ## what CI runs

cover: $(VENV)/.dev ## tests with branch coverage
	$(VENV)/bin/coverage run -m pytest
	$(VENV)/bin/coverage report --skip-covered --show-missing

bench: $(VENV)/.dev ## benchmarks, ratios side by side (a few minutes)
	$(VENV)/bin/python -m benchmarks $(BENCH)

study: $(VENV)/.dev ## the lead-time study: renews the tables and the picture of docs/lead-time.md (a quarter of an hour)
	$(VENV)/bin/python -m benchmarks.lead_time

picture: $(VENV)/.dev ## renew docs/demo.svg and docs/watch.svg from real demonstrations, docs/alert-chart.png and docs/status-page.png
	$(VENV)/bin/python -m docs.picture
	$(VENV)/bin/python -m docs.watch_picture
	$(VENV)/bin/python -m docs.alert_chart
	$(VENV)/bin/python -m docs.page_picture

liquidation: $(VENV)/.dev ## renew the figures and the picture of docs/liquidation.md, and the table of leverages in the README
	$(VENV)/bin/python -m docs.liquidation

metrics: $(VENV)/.dev ## renew docs/metrics.md, the table of what /metrics tells
	$(VENV)/bin/python -m docs.metrics

lock: ## renew the lock files; needs uv
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --upgrade --quiet --output-file requirements/run.lock
	uv pip compile pyproject.toml --extra charts --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --upgrade --quiet --output-file requirements/charts.lock
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --upgrade --quiet --output-file requirements/dev.lock
	uv pip compile requirements/clients.in --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --upgrade --quiet --output-file requirements/clients.lock
	uv pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --upgrade --quiet --output-file requirements/build.lock
	uv pip compile requirements/schema.in --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --upgrade --quiet --output-file requirements/schema.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-clients $(VENV)-schema .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock | $(VENV)/bin/python
	@echo "Installing what is needed to run into $(VENV) ..."
	$(PIP) install --require-hashes --requirement requirements/run.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what is needed to develop into $(VENV) ..."
	$(PIP) install --require-hashes --requirement requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

$(VENV)-clients/.done: requirements/clients.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 clients"; exit 1; }
	$(PYTHON) -m venv $(VENV)-clients
	@echo "Installing other people's clients into $(VENV)-clients ..."
	$(VENV)-clients/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
	    --requirement requirements/clients.lock
	@touch $@

$(VENV)-schema/.done: requirements/schema.lock | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(VENV)-schema
	@echo "Installing who reads docs/openapi.json into $(VENV)-schema ..."
	$(VENV)-schema/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
	    --requirement requirements/schema.lock
	@touch $@
