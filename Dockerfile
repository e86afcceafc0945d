# One recipe for the four services: docker build --build-arg SERVICE=user-service .
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
ARG SERVICE
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked --package "$SERVICE" && cp "target/release/$SERVICE" /service

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/wallet wallet
COPY --from=build /service /usr/local/bin/service
USER wallet
WORKDIR /var/lib/wallet
ENTRYPOINT ["/usr/local/bin/service"]
