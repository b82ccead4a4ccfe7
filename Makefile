# The two commands of the README: `make demo` and `make test`.
.PHONY: demo test deny bench

# The whole story on this machine, no account and no PBX needed. `make demo ARGS=--headless` ends by itself.
demo:
	.ci/needs build
	cargo run --locked -- demo $(ARGS)

# Everything that CI holds: form, lints, dependencies, all tests (a real Asterisk among them), the demo.
test:
	.ci/needs build lints
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	.ci/deny
	tests/rig/install.sh
	cargo test --locked
	cargo run --locked -- demo --headless

# Licences, sources and known holes of the dependencies; gets its tool by itself and says so.
deny:
	.ci/deny

# Measures what is promised and rewrites BENCHMARKS.md; takes some five minutes after the build, on a quiet machine.
bench:
	.ci/needs build
	cargo bench --locked --bench figures
