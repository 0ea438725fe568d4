# Thin: every target is one script or one build, each of which can be called by hand.
SHELL := /bin/bash

.PHONY: run test bench lint fuzz coverage soak release clean

run: release ## the main job: a real agent's tool calls held to a signed receipt
	tests/real/main_job/run

test: ## everything: format, tidy, all layers with both compilers, sanitizers, 60 s of each fuzz target
	tools/setup sdks
	tools/test

bench: ## what it costs, beside Envoy and beside other tokens
	tools/setup envoy tokens
	tools/build release mandated bench_load bench_upstream receipt_bench handshake_bench
	bench/run
	bench/handshakes
	bench/revocation
	bench/tokens/run

lint: ## clang-format and clang-tidy
	tools/setup
	tools/build release
	tools/lint

fuzz: ## each fuzz target for an hour, or FUZZ_SECONDS
	tools/setup
	FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} tools/test fuzz

coverage: ## what the receipt engine's own tests reach of it
	tools/setup
	tools/test coverage

soak: ## SIM_SEEDS (100,000) seeds of the simulator, ten million pairs of nested constraints, every attack 1,000 times
	tools/setup
	SIM_SEEDS=$${SIM_SEEDS:-100000} tools/test soak

release: ## build/release/mandated
	tools/setup sdks
	tools/build release mandated

clean:
	rm -rf build
