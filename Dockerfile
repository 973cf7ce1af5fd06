# syntax=docker/dockerfile:1
# traind in a container: built from source in one stage, run in another that holds only what runs.
#
#   docker build -t traind .                                       Debian 12, oneDNN 2.6
#   docker build -t traind --build-arg BASE=debian:trixie-slim .   Debian 13, oneDNN 3.7
#   docker build --target test .                                   builds, and passes the tests of the engine
#
# The server runs as the user `traind`, needs a writable volume at /data only (and a tmpfs at /tmp), and listens on
# loopback unless it is told otherwise; deploy/compose.yaml shows a whole deployment.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
COPY deploy/setup.sh /src/deploy/setup.sh
RUN /src/deploy/setup.sh --build && rm -rf /var/lib/apt/lists/*
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
    cmake --preset release && cmake --build --preset release --target traind traind-worker trainctl
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

FROM ${BASE}
RUN --mount=type=bind,from=build,source=/opt/traind,target=/opt/build \
    apt-get update -q && \
    xargs apt-get install -q -y --no-install-recommends < /opt/build/packages && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin traind && \
    install -d -o traind -g traind /data
COPY --from=build /opt/traind/bin /usr/local/bin
USER traind
WORKDIR /data
VOLUME /data
EXPOSE 50051
# Every flag has a variable (traind --help). The health check asks at the same address: `trainctl list` is answered only
# while the server serves and its store can be read.
ENV TRAIND_DATA_DIR=/data TRAIND_LISTEN=127.0.0.1:50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD trainctl --server "$TRAIND_LISTEN" --quiet list
STOPSIGNAL SIGTERM
ENTRYPOINT ["traind"]
