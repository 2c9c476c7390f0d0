# `make demo` and `make test` set up all they need, in this checkout. `make help` lists the rest.

SHELL := /bin/sh
BIN := .venv/bin
# --no-compile: Python compiles what is imported, when it is; compiling all of it first takes a third of the time.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install -qq --no-compile
# What the tests exercise beside the core: every extra but those that are gigabytes.
EXTRAS = $$($(BIN)/python -c 'import tomllib; \
  extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
  print(",".join(sorted(set(extras) - {"sentence-transformers", "vllm"})))')
# The stamps carry the checkout's own path: an environment does not survive being moved.
PLACE := $(shell pwd | cksum | cut -d' ' -f1)
CORE := .venv/.core-$(PLACE)
DEV := .venv/.dev-$(PLACE)
VLLM := .venv-vllm/.installed-$(PLACE)

.PHONY: help demo test test-vllm lint types format wheel bench bench-fleet clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo       set up, then run a campaign on the example documents: no key, no server'
	@echo 'make test       set up, a real Redis, PostgreSQL and Chromium included, then lint, types and every test'
	@echo 'make test-web   the tests of the review pages alone, in a real browser'
	@echo 'make test-vllm  install vLLM (CPU build, 3.4 GB), serve a tiny model, test against it'
	@echo 'make soak       20,000 tasks, a fault every 2 s: 10 to 20 minutes. SOAK="--sqlite --seed 2" are its options'
	@echo 'make recipes-page  count the calls of each recipe, write docs/recipes.md from the code'
	@echo 'make lint | types | format | wheel | bench | bench-fleet | clean'

demo: $(CORE)
	@$(BIN)/gristmill run examples/demo.toml

# Four processes on two cores, since many tests wait for a lease to end or a server to come back.
test: lint types redis postgres chromium bubblewrap
	@$(BIN)/python -m pytest -n 4 --dist worksteal

.PHONY: test-web
test-web: chromium
	@$(BIN)/python -m pytest tests/web

.PHONY: soak
soak: redis
	@$(BIN)/python tests/soak/soak.py $(SOAK)

lint: $(DEV)
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

types: $(DEV)
	@$(BIN)/python -m mypy

format: $(DEV)
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

.PHONY: redis
redis: $(DEV)
	@.ci/redis .venv

.PHONY: postgres
postgres: $(DEV)
	@.ci/postgres .venv

.PHONY: chromium
chromium: $(DEV)
	@.ci/chromium .venv

.PHONY: bubblewrap
bubblewrap: $(DEV)
	@.ci/bubblewrap .venv

test-vllm: $(DEV) $(VLLM)
	@$(BIN)/python -m pytest -m vllm tests/served_vllm

wheel: $(DEV)
	@rm -rf build
	@$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .
	@ls -l dist

bench: $(DEV)
	@$(BIN)/python benchmarks/overhead.py

# Counts the calls of each recipe anew, then writes their page from the code.
.PHONY: recipes-page
recipes-page: $(DEV)
	@$(BIN)/python benchmarks/recipes.py --repeat 1 --write
	@$(BIN)/gristmill recipes --markdown > docs/recipes.md.new && mv docs/recipes.md.new docs/recipes.md

bench-fleet: redis
	@$(BIN)/python benchmarks/fleet.py --taskiq

clean:
	rm -rf .venv .venv-vllm .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A dead or missing environment is made anew, a working one is kept.
$(CORE): pyproject.toml
	@python=$$(.ci/python) || exit 1; \
	if $(BIN)/python -c 'import pip' 2>/dev/null; then :; else \
	  echo "setting up .venv with $$python"; "$$python" -m venv --clear .venv; fi
	@echo 'installing gristmill'
	@$(PIP) --editable .
	@rm -f .venv/.core-* && touch $@

# --group (PEP 735) needs pip 25.1; the one that ensurepip brings is older.
$(DEV): $(CORE)
	@echo 'installing the tools and the extras under test'
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) --editable ".[$(EXTRAS)]" --group dev
	@rm -f .venv/.dev-* && touch $@

$(VLLM): .ci/vllm_env pyproject.toml
	@python=$$(.ci/python) || exit 1; .ci/vllm_env "$$python" .venv-vllm
	@rm -f .venv-vllm/.installed-* && touch $@
