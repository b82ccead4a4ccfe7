# The two commands of the README: `make demo` and `make test`.
# `make deny`: licences, sources and known holes of the dependencies; gets its tool by itself and says so.
.PHONY: test demo deny

test:
	cargo fmt --check
	tests/rig/install.sh
	cargo test

deny:
	.ci/deny
