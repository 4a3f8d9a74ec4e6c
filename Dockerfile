# A static binary in an image with nothing but certificates and a folder for the data.
#
#   docker build -t ringcx-scim .
#
# musl needs its own C compiler: SQLite and the cryptography (aws-lc) are C, and aws-lc wants cmake as well.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends musl-tools cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# rust-toolchain.toml decides which Rust is used, so the target is added to that one.
COPY rust-toolchain.toml ./
RUN case "$(uname -m)" in x86_64) target=x86_64-unknown-linux-musl ;; aarch64) target=aarch64-unknown-linux-musl ;; \
        *) echo "no static build for $(uname -m)" >&2; exit 1 ;; esac \
    && rustup target add "$target" && echo "$target" > /target
ENV CC_x86_64_unknown_linux_musl=musl-gcc CC_aarch64_unknown_linux_musl=musl-gcc
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin ringcx-scim --target "$(cat /target)" \
    && cp "target/$(cat /target)/release/ringcx-scim" /ringcx-scim \
    && mkdir -p /data && ldd /ringcx-scim 2>&1 | grep -q -e "statically linked" -e "not a dynamic executable"

FROM debian:bookworm-slim AS certificates
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*

FROM scratch
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /ringcx-scim /usr/local/bin/ringcx-scim
COPY --from=build --chown=65532:65532 /data /var/lib/ringcx-scim
# The sandbox keeps its scratch state here.
COPY --from=build --chown=65532:65532 /data /tmp
USER 65532:65532
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    BRIDGE__SERVER__LISTEN=0.0.0.0:8080 \
    BRIDGE__STORE__URL=sqlite:///var/lib/ringcx-scim/bridge.db
VOLUME /var/lib/ringcx-scim
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=4s --start-period=10s CMD ["/usr/local/bin/ringcx-scim", "health", "--address", "127.0.0.1:8080"]
ENTRYPOINT ["/usr/local/bin/ringcx-scim"]
CMD ["serve"]
