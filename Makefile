# Every task of the house. `make` alone lists them.

PYTHON ?=
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := .venv-bench
QUALITY_PEERS := .venv-bench-quality
EXTRACT_PEERS := .venv-bench-extract
READERS := .venv-readers
DAFT_READER := .venv-readers-daft
SITE := .venv-docs
PAGES := .venv-pages
IMPORTED := .venv-imports

# The parent shell's environment must not leak into the project's own.
unexport PYTHONPATH VIRTUAL_ENV
export PYTHONUTF8 := 1
# A Java is fetched where none is installed, as the README says; STRANDLINE_JAVA=installed forbids it.
STRANDLINE_JAVA ?= fetch
export STRANDLINE_JAVA

.DEFAULT_GOAL := help
# The package of that name must not pass for the task's result.
.PHONY: help demo example demo-source up deploy down bench-overhead bench-load bench-anomalies bench-quality bench-extract bench-protect bench-aws architecture page-tests site-tests report-screenshots recording load-path release-drill recovery-drills interoperability import-drill import-fixtures show-breaker docs setup test coverage test-nightly check fix lock clean

##@ Use
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z%-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## A year of real flights becomes governed history, in a minute or two
	@$(BIN)/python -m demo

example: $(READY) ## A real clinical trial at three dates: examples/clinical_trial, no Python
	@$(BIN)/python -m tools.clinical_trial

demo-source: $(READY) ## Only the demo's source database and blocks, for loads by a deployment
	@$(BIN)/python -m demo source

up: $(READY) ## A local Prefect server with its pages and a worker; make down ends it
	@$(BIN)/strandline up

deploy: $(READY) ## Bring a Prefect server up to date: blocks, work pools, deployments
	@$(BIN)/strandline deploy

down: $(READY) ## End the local server, its worker and their runs
	@$(BIN)/strandline down

setup: $(READY) ## Build .venv from the lock file (every other task does it by itself)

bench-overhead: $(READY) ## What orchestration adds to a load, with a server and without
	@$(BIN)/python -m benchmarks.overhead

bench-load: $(READY) ## Whole loads of the working tree beside those of an earlier commit
	@$(BIN)/python -m benchmarks.load

bench-anomalies: $(READY) ## Outliers planted in real flights: how many are found
	@$(BIN)/python -m benchmarks.anomalies

bench-quality: $(READY) $(QUALITY_PEERS)/.ready ## What checking rows costs, beside other validators
	@$(BIN)/python -m benchmarks.quality

bench-extract: $(READY) $(EXTRACT_PEERS)/.ready ## How fast rows leave a PostgreSQL, beside other loaders
	@$(BIN)/python -m benchmarks.extract

bench-aws: $(READY) ## Calls of Glue and S3 by a load, beside a plain append and MERGE
	@$(BIN)/python -m benchmarks.aws

bench-protect: $(READY) ## What protecting columns costs, of first and of incremental loads
	@$(BIN)/python -m benchmarks.protect

bench-%: $(READY) $(PEERS)/.ready ## Benchmarks; bench-history: SCD2 loads of several tools
	@$(BIN)/python -m benchmarks.$*

##@ Change
TESTS := -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

test: $(READY) ## Run the tests
	@$(BIN)/python $(TESTS)

# Following each line takes two to three times as long where Python has most of the work.
coverage: $(READY) ## Run the tests, and print which lines none of them ran
	@$(BIN)/python $(TESTS) --cov --cov-report=term

test-nightly: $(READY) ## All tests, also those that take minutes, with many random examples
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python $(TESTS) --ignore=tests/deployments
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -s tests/deployments tests/deployments/ephemeral_spark/emr_run.py

recovery-drills: $(READY) ## Destroy catalog, metadata, keys, server; bring each back, with the times
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -q -p no:cacheprovider --show-capture=no \
	  tests/flows/recovery

check: $(READY) ## Format, lint, types, layers, contracts, the picture of the architecture
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/strandline contracts check
	@$(BIN)/python -m tools.draw_architecture --check

architecture: $(READY) ## Draw docs/architecture.svg and its table of rooms from the imports
	@$(BIN)/python -m tools.draw_architecture

page-tests: $(READY) $(PAGES)/.ready ## Report and catalogue in a real browser: widths, accessibility, keyboard
	@$(BIN)/python -m tools.page_tests $(PAGES)

site-tests: docs $(PAGES)/.ready ## Each page of make docs likewise
	@$(BIN)/python -m tools.page_tests $(PAGES) --site build/docs

report-screenshots: $(READY) $(PAGES)/.ready ## The report and the catalogue as pictures, for docs/
	@$(BIN)/python -m tools.page_tests $(PAGES) --pictures

recording: $(READY) ## docs/session.svg: real commands on what make demo left, as an animation
	@$(BIN)/python -m tools.session_recording

load-path: $(READY) ## Follow one load through the modules, and see that it does not walk back
	@$(BIN)/python -m tools.trace_load_path

release-drill: $(READY) ## Releases of a contract, one of them wrong, while a reader looks on
	@PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=ERROR \
	  PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=90 \
	  $(BIN)/python -m tools.release_drill

show-breaker: $(READY) ## Two processes share the circuit breaker of a database that fails
	@PREFECT_LOGGING_LEVEL=ERROR $(BIN)/python -m tools.show_circuit_breaker

interoperability: $(READY) $(READERS)/.ready $(DAFT_READER)/.ready ## Other engines read a history; writes docs/interoperability.md
	@$(BIN)/python -m tools.interoperability $(READERS) $(DAFT_READER)

docs: $(READY) $(SITE)/.ready ## The documentation as a site that needs no network, in build/docs
	@$(BIN)/python -m tools.reference_pages
	@$(SITE)/bin/python -m sphinx --builder html --fail-on-warning --keep-going --quiet \
	  --fresh-env docs build/docs
	@echo 'build/docs/index.html'

import-drill: $(READY) $(IMPORTED)/.ready ## Histories of real dbt and dlt, taken over and compared row by row
	@PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=ERROR \
	  PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=240 \
	  $(BIN)/python -m tools.import_drill $(IMPORTED)

import-fixtures: $(READY) $(IMPORTED)/.ready ## Make the small histories anew that the tests take over
	@$(BIN)/python -m tools.import_drill.make_fixtures $(IMPORTED)

fix: $(READY) ## Format and repair what ruff can repair
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

##@ House
lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade --quiet \
	  --custom-compile-command 'make lock' --output-file requirements.lock

lock-bench: $(READY) ## Resolve other tools, to measure against or to read with, anew into their lock files
	@for tools in benchmarks benchmarks/quality benchmarks/extract \
	  tools/interoperability tools/interoperability/daft tools/page_tests tools/import_drill docs; do \
	  $(BIN)/uv pip compile $$tools/requirements.in --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade --quiet \
	    --custom-compile-command 'make lock-bench' --output-file $$tools/requirements.lock || exit 1; \
	done

clean: ## Remove what was built, keep your data in .strandline
	@rm -rf $(VENV) $(PEERS) $(QUALITY_PEERS) $(EXTRACT_PEERS) $(READERS) $(DAFT_READER) $(SITE) $(PAGES) $(IMPORTED) \
	  build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache \
	  .hypothesis .import_linter_cache

$(READY): requirements.lock pyproject.toml deployments/setup.sh
	@PYTHON='$(PYTHON)' sh deployments/setup.sh

$(PEERS)/.ready: benchmarks/requirements.lock $(READY)
	@echo 'Installing the tools to measure against into $(PEERS)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(PEERS)/bin/python benchmarks/requirements.lock
	@touch $@

$(QUALITY_PEERS)/.ready: benchmarks/quality/requirements.lock $(READY)
	@echo 'Installing the validators to measure against into $(QUALITY_PEERS)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(QUALITY_PEERS)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(QUALITY_PEERS)/bin/python benchmarks/quality/requirements.lock
	@touch $@

$(EXTRACT_PEERS)/.ready: benchmarks/extract/requirements.lock $(READY)
	@echo 'Installing the loaders to measure against into $(EXTRACT_PEERS)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(EXTRACT_PEERS)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(EXTRACT_PEERS)/bin/python benchmarks/extract/requirements.lock
	@touch $@

$(READERS)/.ready: tools/interoperability/requirements.lock $(READY)
	@echo 'Installing other readers of Iceberg into $(READERS)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(READERS)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(READERS)/bin/python tools/interoperability/requirements.lock
	@touch $@

$(SITE)/.ready: docs/requirements.lock $(READY)
	@echo 'Installing what builds the site into $(SITE)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SITE)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(SITE)/bin/python docs/requirements.lock
	@touch $@

$(DAFT_READER)/.ready: tools/interoperability/daft/requirements.lock $(READY)
	@echo 'Installing Daft into $(DAFT_READER)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DAFT_READER)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(DAFT_READER)/bin/python tools/interoperability/daft/requirements.lock
	@touch $@

# npm checks each package against its hash, runs none of their scripts, and unpacks a Chromium.
$(PAGES)/.ready: $(addprefix tools/page_tests/,requirements.lock package-lock.json unpack_browser.mjs) $(READY)
	@echo 'Installing a browser to open pages with into $(PAGES)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PAGES)
	@$(BIN)/uv pip sync --quiet --require-hashes \
	  --python $(PAGES)/bin/python tools/page_tests/requirements.lock
	@cp tools/page_tests/package.json tools/page_tests/package-lock.json \
	  tools/page_tests/unpack_browser.mjs $(PAGES)/
	@mkdir -p $(PAGES)/browser
	@cd $(PAGES) && export PATH="$$PWD/bin:$$PATH" && \
	  npm ci --silent --ignore-scripts --no-audit --no-fund && \
	  TMPDIR="$$PWD/browser" AWS_EXECUTION_ENV=nodejs24.x node unpack_browser.mjs >/dev/null
	@touch $@

$(IMPORTED)/.ready: tools/import_drill/requirements.lock $(READY)
	@echo 'Installing dbt, SQLMesh and dlt, whose histories are taken over, into $(IMPORTED)'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(IMPORTED)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes \
	  --python $(IMPORTED)/bin/python tools/import_drill/requirements.lock
	@touch $@
