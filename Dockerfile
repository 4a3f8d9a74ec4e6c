# A static binary in an image with nothing but certificates and a folder for the data.
#
#   docker build -t ringcx-scim .
#
# Alpine is musl all through, so its compiler and headers fit the C parts: SQLite, and the cryptography (aws-lc, which wants
# cmake and perl on some machines). Rust links musl statically there by default.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base cmake linux-headers perl
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked --bin ringcx-scim \
    && cp target/dist/ringcx-scim /ringcx-scim \
    && mkdir /empty
# A binary that wants a loader would not start in the image below.
RUN ! readelf --program-headers /ringcx-scim | grep -q INTERP

FROM alpine:3.22 AS certificates
RUN apk add --no-cache ca-certificates

FROM scratch
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /ringcx-scim /usr/local/bin/ringcx-scim
COPY --from=build --chown=65532:65532 /empty /var/lib/ringcx-scim
# The sandbox keeps its scratch state here.
COPY --from=build --chown=65532:65532 /empty /tmp
USER 65532:65532
ENV PATH=/usr/local/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    BRIDGE__SERVER__LISTEN=0.0.0.0:8080 \
    BRIDGE__STORE__URL=sqlite:///var/lib/ringcx-scim/bridge.db
VOLUME /var/lib/ringcx-scim
EXPOSE 8080
# Speaks plain HTTP: replace it when server.tls_cert is set or server.listen is another port.
HEALTHCHECK --interval=15s --timeout=4s --start-period=10s CMD ["ringcx-scim", "health", "--address", "127.0.0.1:8080"]
ENTRYPOINT ["ringcx-scim"]
CMD ["serve"]
