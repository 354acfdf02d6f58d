# Seatrial: everything that anyone runs. `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
HOME_DIR ?= $(CURDIR)/.seatrial
TOOLS := .venv-tools/bin
UV := $(TOOLS)/uv
EXAMPLES := .seatrial/examples
NETWORKS := .seatrial/networks
HDFS_JARS := build/hdfs-jars
# Of the units, what the steps, operators and triggers call: the Airflow environment has versions of its own of what is
# below it (ADR 1). The manager's parts, the quickstart and the MLflow import run in the manager's environment only.
IN_AIRFLOW := $(addprefix tests/unit/,autoscale client core formats profiling shadow steps uploads) \
	$(addprefix tests/unit/,registry/test_rules.py rollover/test_warmth.py) \
	$(addprefix tests/unit/,serving/test_placement.py serving/test_triton_metrics.py storage/test_local.py)
# Tests that judge figures have the machine to themselves; the others run beside each other (ADR 14).
ALONE := $(addprefix tests/,integration/test_bench_runtime.py integration/test_measuring.py integration/test_steps.py e2e/test_journey.py e2e/test_large_matrix.py e2e/test_never_rendered.py)
WITH_EXAMPLES := SEATRIAL_EXAMPLES="$(CURDIR)/$(EXAMPLES)"
BESIDE := -n 2 --dist loadfile --no-loadscope-reorder
SOURCES := include operators dags plugins quickstart benchmarks tests

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: setup $(EXAMPLES)/.ready ## the whole job on this machine, live; ONCE=1 ends by itself; state in .seatrial/
	@PYTHONPATH="$(CURDIR)" SEATRIAL_HOME="$(HOME_DIR)" exec .venv-manager/bin/python -m quickstart --examples "$(CURDIR)/$(EXAMPLES)" $(if $(filter 1,$(ONCE)),--once)

.PHONY: setup
setup: .venv-airflow/.ready .venv-manager/.ready ## make both environments (done by the other targets as needed)

.PHONY: check
check: setup ## formatting, lint, types, import contracts
	$(TOOLS)/ruff format --check $(SOURCES)
	$(TOOLS)/ruff check $(SOURCES)
	$(TOOLS)/mypy --python-executable .venv-airflow/bin/python include operators quickstart benchmarks tests
	PYTHONPATH=include:. $(TOOLS)/lint-imports --no-cache

.PHONY: format
format: .venv-tools/.ready ## format and fix what can be fixed
	$(TOOLS)/ruff format $(SOURCES)
	$(TOOLS)/ruff check --fix $(SOURCES)

.PHONY: test
test: setup .venv-mlflow/.ready $(EXAMPLES)/.ready $(HDFS_JARS)/.ready test-unit ## everything, real parts included (Airflow, ml-metadata, Triton, MLflow, HDFS)
	.venv-airflow/bin/python -m pytest $(IN_AIRFLOW) tests/airflow -q
	.venv-manager/bin/python -m pytest tests/hostile -n 2 -q
	$(WITH_EXAMPLES) .venv-manager/bin/python -m pytest tests/contract tests/integration tests/e2e $(addprefix --ignore=,$(ALONE)) $(BESIDE) -q
	$(WITH_EXAMPLES) .venv-manager/bin/python -m pytest $(ALONE) -q

.PHONY: test-unit
test-unit: .venv-manager/.ready ## the pure halves, in seconds
	.venv-manager/bin/python -m pytest tests/unit $(BESIDE) -q

.PHONY: test-hostile
test-hostile: .venv-manager/.ready ## hostile uploads through the static check: cases, peak memory, the slowest (2 min)
	.venv-manager/bin/python -m pytest tests/hostile -n 2 -q

.PHONY: fuzz
fuzz: .venv-manager/.ready ## the parsers of an upload with invented and damaged bytes for SECONDS=60
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m tests.fuzz --seconds $(or $(SECONDS),60)

.PHONY: test-chaos
test-chaos: .venv-manager/.ready ## the manager killed at 20 random moments, each replica, the machine rebooted (5 min)
	@PYTHONPATH="$(CURDIR)" exec .venv-manager/bin/python -m tests.chaos --kills 20 $(if $(SEED),--seed $(SEED))

.PHONY: test-hdfs
test-hdfs: setup $(HDFS_JARS)/.ready ## storage, artifact store, captures, uploads and their watcher, on folders and on a real HDFS in trouble
	.venv-manager/bin/python -m pytest $(addprefix tests/contract/test_,storage.py artifact_store.py captures.py sending.py upload_source.py) tests/integration/test_hdfs*.py -q
	.venv-airflow/bin/python -m pytest tests/airflow/test_hdfs_watching.py -q

.PHONY: test-networks
test-networks: setup $(NETWORKS)/.ready $(HDFS_JARS)/.ready ## six networks of others from pack to Production, by folder and by HDFS (15 min)
	@PYTHONPATH="$(CURDIR)" exec .venv-manager/bin/python -m tests.networks --networks "$(CURDIR)/$(NETWORKS)" $(if $(ONLY),--only $(ONLY))

.PHONY: test-gpu-standins
test-gpu-standins: setup ## a matrix of T4, P40, MPS shares and CPU through Airflow: simulated GPUs, the real MPS daemon (8 min)
	.venv-manager/bin/python -m pytest tests/gpu -q

.PHONY: bench-registry
bench-registry: .venv-manager/.ready .venv-mlflow/.ready ## the registry at 1000 x 10 and 100 x 10 versions, MLflow beside it (11 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.registry --mlflow .venv-mlflow/bin/python

.PHONY: bench-artifacts
bench-artifacts: .venv-manager/.ready $(HDFS_JARS)/.ready ## the artifact store on a folder and on a real HDFS: put, copy out, collect
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.artifacts

.PHONY: bench-uploads
bench-uploads: setup ## 1000 uploads at once through Airflow, killed in the middle: one run each; seconds to a run (5 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.uploads

.PHONY: bench-watch
bench-watch: .venv-manager/.ready $(HDFS_JARS)/.ready ## a poll beside 10 000 old uploads, on a folder and on a real HDFS (8 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.watching

.PHONY: bench-runtime
bench-runtime: .venv-manager/.ready $(EXAMPLES)/.ready ## the python runtime against the bare session, start and memory of a replica (3 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.runtime --examples "$(CURDIR)/$(EXAMPLES)"

.PHONY: bench-capacity
bench-capacity: .venv-manager/.ready $(NETWORKS)/.ready ## the capacity search on six servers, perf_analyzer's beside it, the truth (70 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.capacity --networks "$(CURDIR)/$(NETWORKS)" $(if $(ONLY),--only $(ONLY))

.PHONY: sim-capacity
sim-capacity: .venv-manager/.ready ## how sure a capacity can be, on a simulated server of two modes (20 s)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.sim_capacity

.PHONY: sim-matrix
sim-matrix: .venv-manager/.ready ## the stages of a large hardware matrix on 300 simulated response surfaces: time, regret (20 s)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.sim_matrix

.PHONY: sim-shadow
sim-shadow: .venv-manager/.ready ## the shadow verdict on 10 000 simulated comparisons a mismatch share: errors, sizes, theory (1 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.sim_shadow

.PHONY: bench-shadow
bench-shadow: .venv-manager/.ready $(NETWORKS)/.ready ## the shadow verdict on networks made wrong in known ways, and on harmless changes (50 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.shadow --networks "$(CURDIR)/$(NETWORKS)" $(if $(ONLY),--only $(ONLY))

.PHONY: bench-shadow-beside
bench-shadow-beside: .venv-manager/.ready $(NETWORKS)/.ready ## p99 of Production's clients with and without a comparison beside them (13 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.shadow_beside --networks "$(CURDIR)/$(NETWORKS)"

.PHONY: bench-matrix
bench-matrix: .venv-manager/.ready $(EXAMPLES)/.ready ## a real CPU matrix of 12 options in stages and exhaustively: seconds, regret (41 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.matrix --examples "$(CURDIR)/$(EXAMPLES)"

.PHONY: bench-rollover
bench-rollover: .venv-manager/.ready $(EXAMPLES)/.ready ## 20 promotions and rollbacks under steady load: failed calls, p99, seconds (5 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.rollover --examples "$(CURDIR)/$(EXAMPLES)"

.PHONY: bench-manager
bench-manager: .venv-manager/.ready ## 50 deployments, 1000 clients waiting for news (3 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.manager

.PHONY: bench-client
bench-client: .venv-manager/.ready ## what a call costs beside the raw gRPC stub and tritonclient, sync and async (5 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.client

.PHONY: bench-failover
bench-failover: .venv-manager/.ready ## replicas of a manager killed, stopped, slow, added under load; stage moves to 40 clients (4 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.failover

.PHONY: bench-capture
bench-capture: .venv-manager/.ready ## what a call costs while nothing, a hundredth, or every call is captured (2 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.client_capture

.PHONY: bench-import
bench-import: .venv-manager/.ready ## seconds of `import seatrial` and of its client (1 min)
	PYTHONPATH="$(CURDIR)" .venv-manager/bin/python -m benchmarks.client_import

.PHONY: lock
lock: .venv-tools/.ready ## compile the hash-pinned requirement files from pyproject.toml
	$(UV) pip compile -q pyproject.toml --extra airflow --extra test --python-version 3.11 --generate-hashes --no-header -o requirements.txt
	$(UV) pip compile -q pyproject.toml --extra manager --extra manager-test --python-version 3.11 --generate-hashes --no-header -o requirements-manager.txt
	$(UV) pip compile -q requirements-tools.in --python-version 3.11 --generate-hashes --no-header -o requirements-tools.txt
	$(UV) pip compile -q benchmarks/requirements-mlflow.in --python-version 3.11 --generate-hashes --no-header -o benchmarks/requirements-mlflow.txt
	$(UV) pip compile -q requirements-examples.in --no-deps --python-version 3.11 --generate-hashes --no-header -o requirements-examples.txt
	$(UV) pip compile -q tests/networks/requirements.in --no-deps --python-version 3.11 --generate-hashes --no-header -o tests/networks/requirements.txt

.PHONY: clean
clean: ## remove the environments and all state
	rm -rf .venv-airflow .venv-manager .venv-mlflow .venv-tools .seatrial $(HDFS_JARS)

.venv-tools/.ready: requirements-tools.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Seatrial needs Python 3.11: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo "Python's venv module is missing: apt-get install python3.11-venv" >&2; exit 1; }
	rm -rf .venv-tools
	"$(PYTHON)" -m venv .venv-tools
	$(TOOLS)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-tools.txt
	@touch $@

.venv-airflow/.ready: requirements.txt pyproject.toml .venv-tools/.ready
	$(UV) venv -q --clear --python "$(PYTHON)" .venv-airflow
	$(UV) pip sync -q --python .venv-airflow --require-hashes requirements.txt
	$(UV) pip install -q --python .venv-airflow --no-deps --no-build-isolation -e .
	@touch $@

.venv-manager/.ready: requirements-manager.txt pyproject.toml .venv-tools/.ready
	$(UV) venv -q --clear --python "$(PYTHON)" .venv-manager
	$(UV) pip sync -q --python .venv-manager --require-hashes requirements-manager.txt
	$(UV) pip install -q --python .venv-manager --no-deps --no-build-isolation -e .
	@.venv-manager/bin/python -m quickstart.libpython .venv-manager/lib
	@touch $@

.venv-mlflow/.ready: benchmarks/requirements-mlflow.txt .venv-tools/.ready
	$(UV) venv -q --clear --python "$(PYTHON)" .venv-mlflow
	$(UV) pip sync -q --python .venv-mlflow --require-hashes benchmarks/requirements-mlflow.txt
	@touch $@

$(HDFS_JARS)/.ready: tests/hdfs/pom.xml
	"$(PYTHON)" -m tests.hdfs.jars "$(CURDIR)/$(HDFS_JARS)"
	@touch $@

$(EXAMPLES)/.ready: requirements-examples.txt .venv-tools/.ready
	rm -rf $(EXAMPLES)
	$(UV) pip install -q --python "$(PYTHON)" --no-deps --target $(EXAMPLES) --require-hashes -r requirements-examples.txt
	@touch $@

$(NETWORKS)/.ready: tests/networks/requirements.txt .venv-tools/.ready
	rm -rf $(NETWORKS)
	$(UV) pip install -q --python "$(PYTHON)" --no-deps --target $(NETWORKS) --require-hashes -r tests/networks/requirements.txt
	@touch $@
