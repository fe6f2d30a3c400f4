# `make` alone lists the targets. All it takes is Python 3.11 or newer, make and the package registry.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-page picture bench lint readme lock build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

demo: $(INSTALLED) ## run the whole job here: real Postgres, real S3 server, sample data, report
	$(BIN)/bookreport demo

test: $(INSTALLED) ## run the tests, on real servers
	$(BIN)/pytest

test-faults: $(INSTALLED) ## kill, cut and race the tool, and account for every row
	$(BIN)/pytest tests/faults

test-page: $(INSTALLED) ## open the report's page in Chromium (Debian: chromium), and look that all is well
	$(BIN)/pytest -m browser

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

lock: $(INSTALLED) ## pin the newest packages that fit pyproject.toml in requirements.lock
	$(BIN)/pip-compile --quiet --upgrade --all-extras --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file=requirements.lock pyproject.toml

build: $(INSTALLED) ## build the sdist and the wheel into dist/
	$(BIN)/python -m build --no-isolation

clean: ## remove what make and the tools made
	rm -rf .venv dist bookreport-demo.html .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bookreport needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". If you have a newer one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
