# The one door: what CI runs, a person runs.
PYTHON ?= python3.11
BIN := .venv/bin
STUBS := defectory/api

.PHONY: install proto lint test test-slow demo

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

proto: install  ## generated stubs, committed; a test fails when they are stale
	$(BIN)/python -m grpc_tools.protoc -I proto -I $$($(BIN)/python -c 'import google.rpc, pathlib; print(pathlib.Path(google.rpc.__path__[0]).parents[1])') \
	  --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  $$(find proto -name '*.proto')
	for d in $$(find $(STUBS) -type d -not -name __pycache__); do touch $$d/__init__.py; done
