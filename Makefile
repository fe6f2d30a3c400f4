# `make` alone lists the targets. All it takes is Python 3.11 or newer, make and the package registry.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# One process for each core, each with servers of its own; `make test WORKERS=0` runs all tests in one.
WORKERS ?= auto
PYTEST := pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal
POSTGRES_15 ?= /usr/lib/postgresql/15/bin
MINIO := docker compose --project-name bookreport-tests --env-file .env.example
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-page test-matrix test-oldest test-minio picture bench lint readme lock build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

demo: $(INSTALLED) ## run the whole job here: real Postgres, real S3 server, sample data, report
	$(BIN)/bookreport demo

test: $(INSTALLED) ## run the tests, on real servers
	$(BIN)/$(PYTEST)

test-faults: $(INSTALLED) ## kill, cut and race the tool, and account for every row
	$(BIN)/pytest tests/faults

test-page: $(INSTALLED) ## open the report's page in Chromium (Debian: chromium), and look that all is well
	$(BIN)/pytest -m browser

# One leg of the matrix, in an environment of its own: on Python $(1), which uv finds or fetches; $(2) changes the packages.
define LEG
	$(BIN)/uv venv --quiet --clear --python $(1) .venv-$(1)
	$(BIN)/uv pip install --quiet --python .venv-$(1) --requirement requirements.lock $(2) --editable .
	.venv-$(1)/bin/$(PYTEST) $(TESTS)
endef

test-matrix: test-oldest test-3.12 test-3.13 test-3.14 ## run the tests on the oldest packages and Postgres, and on newer Pythons

test-oldest: export BOOKREPORT_TEST_POSTGRES = $(POSTGRES_15)
test-oldest: $(INSTALLED)
	$(call LEG,3.11,--override tests/oldest.txt)

test-3.%: $(INSTALLED)
	$(call LEG,3.$*)

test-minio: $(INSTALLED) ## run the tests that read the bucket on docker-compose.yml's MinIO (needs Docker)
	@docker compose version >/dev/null 2>&1 || { echo "test-minio needs Docker with its compose plugin; neither make test nor CI does"; exit 1; }
	. ./.env.example && trap '$(MINIO) down --volumes' EXIT && $(MINIO) up --detach --wait minio && \
		BOOKREPORT_TEST_S3="http://$$MINIO_ROOT_USER:$$MINIO_ROOT_PASSWORD@127.0.0.1:9000" $(BIN)/pytest tests/integration tests/acceptance

picture: demo ## draw the picture of the page for README.md anew, with Chromium
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1024,800 \
		--user-data-dir=$$(mktemp -d) --screenshot=tests/pictures/report.png bookreport-demo.html

bench: $(INSTALLED) ## measure speed and memory beside psql's \copy
	$(BIN)/python tests/bench/bench.py

lint: $(INSTALLED) ## check style, types, imports, and that README.md is current
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check -I tests README.md

readme: $(INSTALLED) ## bring the generated parts of README.md up to date
	$(BIN)/cog -r -I tests README.md

lock: $(INSTALLED) ## pin the packages that fit pyproject.toml: the newest, those to run it, and the oldest
	$(LOCK) --all-extras --generate-hashes --output-file requirements.lock
	$(LOCK) --extra html --generate-hashes --constraint requirements.lock --output-file requirements-run.lock
	$(LOCK) --extra demo --resolution lowest-direct --no-annotate --output-file tests/oldest.txt

build: $(INSTALLED) ## build the sdist and the wheel into dist/
	$(BIN)/python -m build --no-isolation

clean: ## remove what make and the tools made
	rm -rf .venv .venv-* dist bookreport-demo.html .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bookreport needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". If you have a newer one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
