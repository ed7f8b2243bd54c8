PYTHON ?= python3
VENV ?= .venv
BIN ?= $(VENV)/bin
BENCH_VENV ?= .venv-bench
PEERS_VENV ?= .venv-peers
BENCHMARKS ?= first_fit cli_cache training time_to_quality time_to_map transform quality defaults noises variational \
	imputation ensembles compression double_descent trust dimension gate first_hour neighbours neighbours_time checkpoints \
	streams many_processes serving explorer parametric
PYTEST_FLAGS ?= -n 2
BUILT_PAGES = docs/built docs/api docs/course docs/how_to docs/gallery

export PIP_DISABLE_PIP_VERSION_CHECK = 1
INSTALL = -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo dev test check bench docs site explorer clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed ## install isthmus in .venv and show what it does
	@$(BIN)/isthmus demo

dev: $(VENV)/.installed-dev ## install isthmus and what its developers need in .venv

test: $(VENV)/.installed-dev ## install what developers need in .venv and run every check
	@$(MAKE) --no-print-directory check

check: # every check, with the tools in BIN: the one list of them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest $(PYTEST_FLAGS)

bench: $(BENCH_VENV)/.installed $(if $(filter parametric,$(BENCHMARKS)),$(PEERS_VENV)/.installed)
bench: ## measure against other libraries, in environments of their own
	@mkdir -p benchmarks/results
	@for name in $(BENCHMARKS); do \
		printf '\n== benchmarks/%s.py\n' "$$name"; \
		PEERS=$(PEERS_VENV)/bin/python \
			$(BENCH_VENV)/bin/python "benchmarks/$$name.py" --json "benchmarks/results/$$name.json" || exit 1; \
	done
	@$(BENCH_VENV)/bin/python benchmarks/results.py

docs: $(VENV)/.installed-docs ## run the pages of the documentation and build them as a site in docs/built/
	@$(MAKE) --no-print-directory site

site: # the site, with the tools in BIN; whatever was made before is made anew
	rm -rf $(BUILT_PAGES)
	$(BIN)/python docs/_run_pages.py
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/built
	$(BIN)/python docs/_check_links.py docs/built

explorer: ## build the explorer's page from web/, with Node 20.19 or later
	cd web && npm ci --silent && npm run check && npm test && npm run build

clean: ## remove the environments and everything that was built
	rm -rf .venv .venv-bench .venv-peers build dist $(BUILT_PAGES)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

# The environments, each with a stamp for what was installed in it. The installation points to src/, so
# that only new requirements call for another one.

$(VENV)/bin/pip $(BENCH_VENV)/bin/pip $(PEERS_VENV)/bin/pip:
	@command -v $(PYTHON) > /dev/null || { \
		echo "isthmus needs Python 3.11 or later, and there is no $(PYTHON);" \
			"name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"isthmus needs Python 3.11 or later, and $(PYTHON) is %d.%d; " % sys.version_info[:2] + \
		"name another: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@$(PYTHON) -m venv $(@D:/bin=)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing isthmus in $(VENV); the first time takes a minute or two."
	@$(VENV)/bin/python $(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	@$(VENV)/bin/python $(INSTALL) --editable '.[dev,docs]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing isthmus and the developers' tools in $(VENV); the first time takes minutes."
	@$(VENV)/bin/python $(INSTALL) --editable '.[dev]'
	@touch $(VENV)/.installed $@

# PyTorch goes first, so that no other package chooses its version.
$(BENCH_VENV)/.installed: pyproject.toml constraints.txt benchmarks/requirements.txt | $(BENCH_VENV)/bin/pip
	@echo "Installing isthmus and its peers in $(BENCH_VENV); the first time takes minutes."
	@$(BENCH_VENV)/bin/python $(INSTALL) "$$(grep '^torch==' benchmarks/requirements.txt)"
	@$(BENCH_VENV)/bin/python $(INSTALL) --requirement benchmarks/requirements.txt --editable .
	@touch $@

$(PEERS_VENV)/.installed: constraints.txt benchmarks/peers-requirements.txt | $(PEERS_VENV)/bin/pip
	@echo "Installing the parametric peers in $(PEERS_VENV); it takes minutes."
	@$(PEERS_VENV)/bin/python $(INSTALL) "$$(grep '^torch==' benchmarks/peers-requirements.txt)"
	@$(PEERS_VENV)/bin/python $(INSTALL) --no-deps --requirement benchmarks/peers-requirements.txt
	@touch $@
