# Thin over CMakePresets.json and tools/: every target installs what it needs (tools/install-dependencies),
# configures, builds and acts. `make help` lists them.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
DESTDIR ?=
export JOBS DESTDIR FUZZ_SECONDS SINCE
# What one clone has compiled, ccache knows again in another.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := true

build := build
hello := $(build)/examples/hello/hello.wasm
# Asked when a recipe runs: its first line may have installed ccache.
launcher := $$(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# A build folder made for running has no tests in it; one made for tests keeps them.
fresh := $(if $(wildcard $(build)/CMakeCache.txt),,-DWASMOOR_TESTS=OFF)

.DEFAULT_GOAL := build
.PHONY: run build test bench e2e lint format fuzz install load clean help

run: ## Build, and run a program compiled to wasm: prints "Hello from wasm!"
	@tools/install-dependencies
	cmake --preset release $(launcher) $(fresh)
	cmake --build $(build) -j $(JOBS) --target wasmoor wasmoor-runtime hello
	$(build)/bin/wasmoor run $(hello)

build: ## Build everything into build/ (executables in build/bin)
	@tools/install-dependencies
	cmake --preset release $(launcher) $(fresh)
	cmake --build $(build) -j $(JOBS)

test: ## Build everything and run all tests
	@tools/install-dependencies test
	cmake --preset release $(launcher) -DWASMOOR_TESTS=ON
	cmake --build $(build) -j $(JOBS)
	cd $(build) && ctest --output-on-failure -j $(JOBS)

bench: ## Measure, against peers in the same run; results in build/bench
	@tools/install-dependencies bench
	cmake --preset bench $(launcher) -DWASMOOR_TESTS=ON
	cmake --build $(build) -j $(JOBS)
	tests/bench/run $(build)

e2e: ## Kill shims, guests and containerd 50 times each, play 1,000 pods; run wasm pods on a Kubernetes of one node
	@tools/install-dependencies e2e
	cmake --preset release $(launcher) -DWASMOOR_TESTS=ON
	cmake --build $(build) -j $(JOBS)
	WASMOOR_LONG_TESTS=1 ctest --test-dir $(build) -R "e2e_shim|node_" --output-on-failure
	tests/e2e_kubernetes/run $(build)
	tests/e2e_kubernetes/run --runtime wasmtimed $(build)
	tests/e2e_kubernetes/run --runtime controller $(build)
	/usr/bin/python3 -B tests/e2e_functions/apply_test.py

lint: ## Format, static analysis, the law of the rooms (SINCE=commit: only files changed since)
	@tools/install-dependencies lint
	cmake --preset release $(launcher) -DWASMOOR_TESTS=ON
	cmake --build $(build) -j $(JOBS) --target generated
	tools/lint $(build)

format: ## Rewrite the sources in the project's format
	@tools/install-dependencies lint
	tools/lint --fix

fuzz: ## Run each fuzzer for FUZZ_SECONDS (60)
	@tools/install-dependencies fuzz
	cmake --preset fuzz $(launcher)
	cmake --build build-fuzz -j $(JOBS) --target fuzzers
	tools/fuzz build-fuzz

install: build ## Install below PREFIX (/usr/local); DESTDIR is put in front
	cmake --install $(build) --prefix $(PREFIX)

load: build ## Give the test image, docker.io/library/wasmtest, to this machine's containerd
	tools/load-image $(build)/images/wasmtest.tar

clean: ## Remove what was built (not the caches outside the tree)
	rm -rf build build-*

help: ## This list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
	  printf '  make %-9s %s\n' "$$target" "$$text"; done
