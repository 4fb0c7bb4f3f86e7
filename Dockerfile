# A small image with the server in it, run by an ordinary user:
#   docker build -t bitting .
#   docker run -d --name bitting -p 127.0.0.1:8080:8080 -v bitting:/var/lib/bitting bitting
#   docker exec bitting bitting key create --name first --scope calls:read --expires 90d
# On PostgreSQL see compose.yaml.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY migrations migrations
COPY src src
COPY static static
COPY templates templates
# Named in Cargo.toml, though not built here.
COPY benches benches
COPY examples examples
COPY tests tests
COPY deploy/release/notices deploy/release/notices
# SQLite, libpq and OpenSSL are compiled in; of what that takes, the image has the C compiler.
RUN apt-get update && apt-get install -y --no-install-recommends make perl python3 && rm -rf /var/lib/apt/lists/*
RUN cargo build --release --locked --bin bitting
RUN deploy/release/notices >target/THIRD-PARTY.txt

FROM debian:bookworm-slim
# Whose certificates are believed with sslrootcert=system.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/bitting --create-home --shell /usr/sbin/nologin bitting \
 && chmod 700 /var/lib/bitting
COPY --from=build /src/target/release/bitting /usr/local/bin/bitting
COPY --from=build /src/target/THIRD-PARTY.txt /usr/local/share/doc/bitting/THIRD-PARTY.txt
USER bitting
WORKDIR /var/lib/bitting
VOLUME /var/lib/bitting
# Inside a container every address is its own; what reaches it from outside is said by -p.
ENV BITTING_LISTEN=0.0.0.0:8080 \
    BITTING_DATABASE_URL=sqlite:///var/lib/bitting/bitting.db
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["bitting", "healthcheck"]
ENTRYPOINT ["bitting"]
CMD ["serve"]
