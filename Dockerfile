# Herald in containers. Nothing but Debian's packages is fetched. Targets:
#   herald  (the last one, so the default)  herald, herald-gateway and herald-worker
#   demo    herald-sandbox, the stand-in of Genesys that docker-compose's demo sends to; not for production
FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config libhiredis-dev libcurl4-openssl-dev \
    libjson-c-dev libmicrohttpd-dev libssl-dev libcsv-dev libinih-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make -s -j"$(nproc)" \
 && install -D -s -t /out build/herald build/herald-gateway build/herald-worker \
 && install -D -s -t /out-demo build/herald-sandbox

FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libhiredis0.14 libcurl4 libjson-c5 libmicrohttpd12 \
    libssl3 libcsv3 libinih1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 herald \
 && useradd --uid 10001 --gid herald --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin herald
USER herald

FROM base AS demo
COPY --from=build /out-demo/ /usr/local/bin/
CMD ["herald-sandbox", "--host", "0.0.0.0", "--port", "8081"]

FROM base AS herald
# What a volume mounted here for the first time takes over: whose it is.
USER root
RUN install -d -o herald -g herald -m 750 /audit /spool
USER herald
COPY --from=build /out/ /usr/local/bin/
CMD ["herald", "--help"]
