#!/bin/sh
# Builds the binary under test once for a run of nextest, and names it to the tests. .config/nextest.toml
set -eu
cargo build --quiet --locked --package sealcrate --bin sealcrate
echo "SEALCRATE_TEST_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/sealcrate" >> "$NEXTEST_ENV"
