# The two commands of the README: `make demo` and `make test`.
.PHONY: test demo

test:
	cargo fmt --check
	cargo test
