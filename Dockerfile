# The image of the tool, which packs programs in other images' builds:
#
#   docker build -t sealcrate .

FROM rust:1.90-bookworm AS build
# For each there is a stub then, so that programs for all of them can be packed.
RUN rustup target add x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu \
    armv7-unknown-linux-gnueabihf i686-unknown-linux-gnu
WORKDIR /source
COPY . .
# Only the program itself is linked in another way than usual: it needs no other file.
RUN cargo xtask stubs \
    && SEALCRATE_STUBS_DIR=/source/target/stubs cargo rustc --locked --profile dist \
        --package sealcrate --bin sealcrate -- -C target-feature=+crt-static \
    && mv target/dist/sealcrate /sealcrate

FROM scratch
COPY --from=build /sealcrate /sealcrate
ENTRYPOINT ["/sealcrate"]
