# One recipe for the four services, each a target: docker build --target user-service .
#
# Whichever services are built, the first stage is the same, so BuildKit runs it once for all four, also when Compose
# builds them at the same time.
FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
# What cargo has downloaded and compiled stays in caches of the builder: a change of ours compiles our crates again, and none
# of the dependencies. `locked` keeps builds of other checkouts out while cargo works in them. Sources are touched because
# cargo goes by their times, and in a fresh checkout these may be older than what another one left in the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package user-service --package transaction-service \
        --package notification-service --package report-service \
    && mkdir /programs \
    && cp target/release/user-service target/release/transaction-service \
        target/release/notification-service target/release/report-service /programs/

FROM debian:bookworm-20260824-slim AS runtime
# curl asks /ready, for health checks and for people who look from inside
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/wallet wallet
USER 10001:10001
WORKDIR /var/lib/wallet
# a service is ready once its database, its migrations and user-service are
HEALTHCHECK --interval=5s --timeout=4s --start-period=120s --retries=6 \
    CMD ["sh", "-c", "exec curl -fsS http://127.0.0.1:$PORT/ready"]
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Digital Wallet" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.revision="$REVISION"

# Each is started without a shell and gets SIGTERM itself: it stops taking requests and finishes those that run. It is no
# entrypoint, so that `docker compose run --rm user-service bash` gives a shell.
FROM runtime AS user-service
COPY --from=build /programs/user-service /usr/local/bin/
ENV PORT=5001
EXPOSE 5001
LABEL org.opencontainers.image.title="user-service" \
    org.opencontainers.image.description="Accounts, login, balances and the ledger of the Digital Wallet"
CMD ["user-service"]

FROM runtime AS transaction-service
COPY --from=build /programs/transaction-service /usr/local/bin/
ENV PORT=5002
EXPOSE 5002
LABEL org.opencontainers.image.title="transaction-service" \
    org.opencontainers.image.description="Transfers between users of the Digital Wallet"
CMD ["transaction-service"]

FROM runtime AS notification-service
COPY --from=build /programs/notification-service /usr/local/bin/
ENV PORT=5003
EXPOSE 5003
LABEL org.opencontainers.image.title="notification-service" \
    org.opencontainers.image.description="Mail to users of the Digital Wallet"
CMD ["notification-service"]

FROM runtime AS report-service
COPY --from=build /programs/report-service /usr/local/bin/
ENV PORT=5004
EXPOSE 5004
LABEL org.opencontainers.image.title="report-service" \
    org.opencontainers.image.description="Reports and summaries of the Digital Wallet"
CMD ["report-service"]
