# Every target sets up what it needs (tools/setup): on a fresh Debian 12, `make demo` is enough.
SHELL := /bin/bash
.DEFAULT_GOAL := help
HOTKIT := .venv/bin/hotkit
PYTEST := .venv/bin/python -m pytest
# Two files of tests side by side, in the order of the folders: the long ones with QEMU come early.
JOBS := 2
BESIDE := -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo test check lab-test coverage soak bench docs site site-pictures clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: ## Debian packages and .venv
	@tools/setup

demo: setup ## the main job in the lab: stock machine -> verified 4C16G layout -> first A/B result
	@tools/demo

test: setup ## all tests, the ones that boot QEMU machines too (what CI runs)
	$(HOTKIT) lab image build
	$(HOTKIT) kernel build
	$(PYTEST) $(BESIDE) --durations=25

check: setup ## linters, types, unit and integration tests: no QEMU, ten minutes
	$(PYTEST) $(BESIDE) -m "not lab" -q

lab-test: setup ## only the tests that boot QEMU machines
	$(PYTEST) $(BESIDE) -m lab

coverage: setup ## branches of hotkit/core and hotkit/parse that their unit tests run, and which they do not
	COVERAGE_FILE=build/coverage .venv/bin/python -m coverage run -m pytest -q tests/unit/core tests/unit/parse
	COVERAGE_FILE=build/coverage .venv/bin/python -m coverage report --fail-under=95

soak: setup ## the long campaigns; writes docs/evidence/*.json, resumes where it was cut off
	.venv/bin/python tools/soak.py $(CAMPAIGN)

bench: setup ## speed beside a peer, as ratios
	.venv/bin/python tools/bench.py

docs: setup ## regenerate what is generated of docs/ and man/: from --help, schemas, evidence, captures
	.venv/bin/python tools/cli_docs.py --write
	.venv/bin/python tools/man_pages.py --write
	.venv/bin/python tools/reference_docs.py --write
	.venv/bin/python tools/screenshots.py
	.venv/bin/python tools/kernel_docs.py --write
	.venv/bin/python tools/peers_docs.py --write
	.venv/bin/python tools/robust_docs.py --write
	.venv/bin/python tools/memory_docs.py --write
	.venv/bin/python tools/explain_docs.py --write

site: setup ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict
	@echo "build/site/index.html"

site-pictures: site ## pages of the site as a browser shows them, in docs/images
	.venv/bin/python tools/site_pictures.py

clean: ## remove the environment and caches in the clone (the lab's cache stays)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
