# syntax=docker/dockerfile:1
# traind in a container: built from source in one stage, run in another that holds only what runs.
#
#   docker build -t traind .                                       Debian 12, oneDNN 2.6
#   docker build -t traind --build-arg BASE=debian:trixie-slim .   Debian 13, oneDNN 3.7
#   docker build -t traind-proxy --target proxy .                  HAProxy, to stand in front of it
#   docker build --target test .                                   builds, and passes the tests of the engine
#   deploy/image.sh traind                                         the first of them, with labels that say which commit
#
# What is in it stands in /usr/share/doc/traind/sbom.spdx.json.
#
# The server runs as the user `traind`, needs a writable volume at /data only (and a tmpfs at /tmp), and listens on
# loopback unless it is told otherwise; deploy/compose.yaml shows a whole deployment.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
COPY deploy/setup.sh deploy/sbom.sh /src/deploy/
RUN /src/deploy/setup.sh --image && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY proto proto
COPY core core
COPY server server
COPY client client
COPY tests tests
COPY examples examples
# A change recompiles only what it touches: the compiler's cache outlives the stage.
ENV CCACHE_DIR=/ccache CCACHE_BASEDIR=/src CCACHE_NOHASHDIR=1
RUN --mount=type=cache,target=/ccache \
    cmake --preset release -DTRAIND_STATIC_ARCHIVE=ON && cmake --build --preset release --target traind traind-worker trainctl
RUN cmake --install build/release --strip --prefix /opt/traind
# The packages that hold the shared libraries of the programs: Debian names them after the library's version.
RUN ldd /opt/traind/bin/* | awk '$2 == "=>" { print $3 }' | sort -u | xargs readlink -f | \
    while read -r library; do dpkg -S "$library" 2>/dev/null || dpkg -S "/usr$library"; done | \
    cut -d: -f1 | sort -u > /opt/traind/packages

FROM build AS test
COPY docs docs
RUN --mount=type=cache,target=/ccache \
    cmake --build --preset release --target core_tests conformance_tests golden_tests
RUN OMP_WAIT_POLICY=passive ctest --preset release --no-tests=error -L 'core|conformance|golden'

# What stands before a server that others can reach: deploy/compose.tls.yaml.
FROM ${BASE} AS proxy
RUN apt-get update -q && apt-get install -q -y --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
COPY deploy/haproxy.cfg /etc/haproxy/haproxy.cfg
# That of traind, who owns the certificates.
USER 10001:10001
EXPOSE 50051
ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM ${BASE}
COPY --from=build /opt/traind/bin /usr/local/bin
# Libraries in the packages that no program here loads are left out, 9 MB, and what is new in them. Whom webhooks trust stands
# in ca-certificates.
RUN --mount=type=bind,from=build,source=/opt/traind,target=/opt/build \
    --mount=type=bind,from=build,source=/src/deploy/sbom.sh,target=/opt/sbom.sh \
    printf 'path-exclude=/usr/lib/*/%s.so.*\n' libgrpc_unsecure libgrpc++_unsecure libgrpcpp_channelz \
        libgrpc_plugin_support libprotoc > /etc/dpkg/dpkg.cfg.d/traind && \
    printf 'path-exclude=/usr/share/doc/*/%s*\n' changelog NEWS README >> /etc/dpkg/dpkg.cfg.d/traind && \
    apt-get update -q && \
    xargs apt-get install -q -y --no-install-recommends ca-certificates < /opt/build/packages && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/* && \
    mkdir -p /usr/share/doc/traind && sh /opt/sbom.sh > /usr/share/doc/traind/sbom.spdx.json && \
    useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin traind && \
    install -d -m 0700 -o traind -g traind /data /certs
COPY deploy/first-users.sh /usr/local/bin/
USER traind
WORKDIR /data
VOLUME /data
EXPOSE 50051 9464
# Every flag has a variable (traind --help). The health check asks at the same address, and needs no account. With TLS
# (TRAIND_TLS_CERT, TRAIND_TLS_KEY) it needs TRAIND_TLS_CA: who signed that certificate, which has to be for localhost, too;
# with TRAIND_TLS_CLIENT_CA also TRAIND_TLS_CLIENT_CERT and TRAIND_TLS_CLIENT_KEY.
ARG VERSION="" REVISION="" CREATED=""
LABEL org.opencontainers.image.title="traind" \
      org.opencontainers.image.description="A server that trains neural networks, and shows what happens inside them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
ENV TRAIND_DATA_DIR=/data TRAIND_LISTEN=127.0.0.1:50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD trainctl --server "$TRAIND_LISTEN" --quiet health
STOPSIGNAL SIGTERM
ENTRYPOINT ["traind"]
