# What a person or a machine does with a checkout. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
KAFKA_LIBS ?= .kafka/libs
SOURCES := stream detectors alerting client/src tests client/tests deploy

.DEFAULT_GOAL := help
.PHONY: help install install-runtime demo test bench chaos evaluate lint fmt kafka-jars constraints config-example clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed-dev ## A .venv with everything to develop and test
install-runtime: $(VENV)/installed-runtime ## A .venv with only what `spendwatch` needs

# Two commands: pip cannot check the hash of a folder, so ours come without their dependencies.
define install_from
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-e ./client -e .
	@touch $@
endef

$(VENV)/installed-dev: constraints-dev.txt pyproject.toml client/pyproject.toml
	$(call install_from,constraints-dev.txt)

$(VENV)/installed-runtime: constraints.txt pyproject.toml client/pyproject.toml
	$(call install_from,constraints.txt)

$(VENV)/installed-demo: constraints-demo.txt pyproject.toml client/pyproject.toml
	$(call install_from,constraints-demo.txt)

demo: $(VENV)/installed-demo ## A wrong prompt is caught and its key throttled, in two minutes (KAFKA=host:port for a real one)
	@$(BIN)/python -m deploy.demo.run $(if $(KAFKA),--kafka $(KAFKA))

# Yardsticks have a .venv of their own: the program must not depend on them, nor on what they bring.
$(BENCH)/installed: constraints-bench.txt
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

bench: install $(BENCH)/installed ## What it can do here, beside what it must (ONLY=a,d for parts, ARGS=--help for more)
	@$(BIN)/python -m tests.benchmarks.run $(if $(ONLY),--only $(ONLY)) $(ARGS)

# What needs no broker runs side by side, and alone is measured for coverage: tracing is half of its
# time (171 s for 351), and would be half of the audits' on Kafka. Tests on Kafka mostly wait, for
# sessions to end and for time to pass: three at a time, each with a broker of its own.
test: install $(BENCH)/installed lint ## Lint, then all tests; with a real Kafka if Java and the jars are there
	@$(BIN)/python -m pytest -q -m "not kafka" -n 2 --cov --cov-report=term:skip-covered
	@$(BIN)/python -m pytest -q -m kafka -n 3

chaos: install ## Kill, freeze and restart everything 50 times; is every sum still exact? (SEED=7 KILLS=50)
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),7) --kills $(or $(KILLS),50) $(CHAOS_ARGS)

# Each half is asked for alone, too; both say what they are of.
evaluate: install ## What detection leaks and misses, and how often it cries (QUICK=1: a minute; SEED=7 DATA=folder)
	@$(BIN)/python -m tests.evaluation --seed $(or $(SEED),7) $(if $(QUICK),--quick) $(if $(DATA),--data $(DATA))

lint: install ## ruff, mypy --strict and the import rules
	@$(BIN)/ruff check --quiet $(wildcard $(SOURCES))
	@$(BIN)/ruff format --quiet --check $(wildcard $(SOURCES))
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

fmt: install ## Format, and fix what ruff can fix
	@$(BIN)/ruff check --quiet --fix --exit-zero $(wildcard $(SOURCES))
	@$(BIN)/ruff format $(wildcard $(SOURCES))

kafka-jars: ## Fetch a real Kafka for the tests (needs mvn; 43 MB into .kafka)
	@mvn -q -B -f tests/support/kafka-jars/pom.xml dependency:copy-dependencies \
		-DoutputDirectory=$(abspath $(KAFKA_LIBS)) -DincludeScope=runtime

constraints: install ## Pin every dependency anew, with hashes
	@$(call compile,constraints.txt,)
	@$(call compile,constraints-demo.txt,--group demo)
	@$(call compile,constraints-dev.txt,--group demo --group dev)
	@$(call compile_groups,constraints-bench.txt,--group bench)

# The python version is the oldest one supported; --universal adds markers for the others. Extras stay
# in the pins: without them an old pip (23.2) looks for `coverage[toml]` in the newest coverage, which
# has no hash here, and the install breaks on the day a new one is published.
compile = $(call compile_groups,$(1),pyproject.toml --group build $(2))
compile_groups = $(BIN)/uv pip compile --quiet $(2) --universal \
	--python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	--no-emit-package spendwatch-client --custom-compile-command "make constraints" --output-file $(1)

config-example: install ## Write deploy/config.example.yaml from the settings' models
	@$(BIN)/spendwatch config > deploy/config.example.yaml

clean: ## Remove what can be made again, but not .venv and .kafka
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist
