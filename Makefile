# The two commands of the README: `make demo` and `make test`.
.PHONY: test demo bench

test:
	cargo fmt --check
	cargo test

# Measures what is promised and rewrites BENCHMARKS.md; takes some five minutes after the build, on a quiet machine.
bench:
	cargo bench --bench figures
