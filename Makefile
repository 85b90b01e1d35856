# The one door: what CI runs, a person runs.
PYTHON ?= python3.11
BIN := .venv/bin
STUBS := defectory/api

.PHONY: install develop proto client lint browser promtool test slow fuzz chaos images compose-test edit-test demo docs

install: .venv/.line  ## what a run on one machine needs
develop: .venv/.dev  ## and what tests, lint and benchmarks need

# Python compiles what is imported, a third of what pip would; TensorFlow's C++ headers are for building operations of one's own.
# The workers' imports do it here, so that no first run pays for it, and it is kept whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
WORKERS := services.classifier.jobs,services.explainer.jobs services.generator.jobs services.filter.jobs,orchestrator.cli.run
# TORCH_INDEX: where pip finds torch for CPUs too, which takes far less room than torch with CUDA: docs/deploy.md.
# What the compiler's imports write, TensorFlow's remarks above all, is shown where one fails.
.venv/.%: pyproject.toml constraints.txt
	@echo "installing packages into .venv, which takes a minute or two"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile $(if $(TORCH_INDEX),--extra-index-url '$(TORCH_INDEX)') \
	  --constraint constraints.txt --editable '.[$*]'
	rm -rf .venv/lib/*/site-packages/tensorflow/include
	@echo "compiling what the services import"
	@for modules in $(WORKERS); do \
	  $(BIN)/python -c "import $$modules" 2> .venv/compiling.log || { cat .venv/compiling.log; exit 1; }; done
	@touch $@
	@echo "installed: $(BIN)/defectory (try --help); \`make demo\` runs the whole line, $(BIN)/defectory run FOLDER your own"

lint: develop  ## format and rules, types, who imports whom, protos
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.contract.proto_lint

browser:  ## a Chromium for the tests of the report's page, where it may be installed
	tests/e2e/chromium.sh

promtool:  ## for the tests of the alerts, where it may be had
	tests/deploy/promtool.sh

TESTS := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder  # file by file in two processes
test: lint browser promtool  ## all but those that take half a minute and more
	$(TESTS) -m 'not slow'

slow: develop browser  ## and those
	$(TESTS) -m slow

# FUZZ_SECONDS: of each kind of file, and of each service's calls.
FUZZ_SECONDS := 60
fuzz: develop  ## changed files, random bytes and random messages at whatever reads those of others
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/fuzz

# CHAOS_TRIES: runs of each fault, of minutes each.
CHAOS_TRIES := 3
chaos: develop  ## a small line through kills, faults of the store, a full disk and damaged objects; prints what was lost
	$(BIN)/python -m tests.chaos --tries $(CHAOS_TRIES)

# DOCKER, BUILD, COMPOSE: other programs than docker's own; BASE_IMAGE, TORCH_INDEX, …: docker-compose.yml's (docs/deploy.md).
images: install  ## builds the containers' images and prints what each weighs beside its budget
	$(BIN)/python -m deploy.images

compose-test: develop  ## the stack of docker-compose.yml, built, started, a line and a decision through it, taken down
	tests/deploy/compose_test.sh

edit-test: install  ## edits by hand through the real GIMP and Krita, where they may be installed
	tests/e2e/editors.sh
	$(BIN)/python -m pytest tests/e2e/test_real_editors.py

DEMO := build/demo
FAULTS := cable_swap missing_cable  # those that 64 px show at a glance
demo: install  ## the whole line on drawn cables, with everything in one folder
	$(BIN)/defectory cables $(DEMO)/cables --good 240 --defect 120 --seed 0 --size 128 $(FAULTS:%=--kind %)
	$(BIN)/defectory run $(DEMO)/cables --name demo --preset demo --store file://$(CURDIR)/$(DEMO)/store
	@echo "the report: $(DEMO)/store/runs/demo/report.html"
	@echo "look at its images, and decide: $(BIN)/defectory review demo --store $(DEMO)/store"

docs: develop  ## the pages that are made from the code; a test fails when they are stale
	$(BIN)/python -m orchestrator.cli.reference cli > docs/cli.md
	$(BIN)/python -m orchestrator.cli.reference ingest > docs/ingest.md
	$(BIN)/python -m orchestrator.cli.reference pipeline > docs/pipeline.md
	$(BIN)/python -m orchestrator.cli.reference settings > docs/settings.md

# googleapis-common-protos ships operations.proto under another file name; build/include gives it its own again.
GOOGLE := $(BIN)/../lib/$(notdir $(PYTHON))/site-packages
proto: develop  ## generated stubs, committed; a test fails when they are stale
	mkdir -p build/include/google/longrunning
	cp $(GOOGLE)/google/longrunning/operations_proto.proto build/include/google/longrunning/operations.proto
	$(BIN)/python -m grpc_tools.protoc -I proto -I build/include -I $(GOOGLE) \
	  --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  $$(find proto -name '*.proto')
	for d in $$(find $(STUBS) -type d -not -name __pycache__); do touch $$d/__init__.py; done

client: install  ## a wheel for machines that only ask a classifier (client/README.md)
	$(BIN)/python client/collect_protos.py
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/client ./client
	@ls build/client/*.whl
