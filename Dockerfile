# The service as an image:
#     docker build --tag position-monitor .
# What it is run with, and how, stands in deploy/compose.yaml and in the README; why so, in
# docs/decisions/0021-container-image.md.
#
# The base is pinned by the digest of its index of all platforms. To renew it, ask for the present one with
#     docker buildx imagetools inspect python:3.13-slim-trixie
# and write the full version and the digest here. Another base is given with --build-arg PYTHON_IMAGE=...: it has to
# have CPython 3.11 or newer as python3 with venv and pip, and certificates of authorities.
ARG PYTHON_IMAGE=python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b


FROM ${PYTHON_IMAGE} AS build

# Which lock file of requirements/: "run", or "charts" for pictures in messages as well.
ARG DEPENDENCIES=run
# A moment for whatever a build stamps with one (seconds since 1970), so that two builds agree.
ARG SOURCE_DATE_EPOCH=1764547200
# For a package index of one's own; whatever it serves, the hashes decide.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /build
# Wheels only: nothing is compiled, so there is no compiler, and nothing of what is fetched runs here.
COPY requirements/build.lock requirements/${DEPENDENCIES}.lock requirements/
RUN ["python3", "-m", "venv", "--without-pip", "/opt/position-monitor"]
RUN python3 -m pip install --require-hashes --only-binary :all: --requirement requirements/build.lock \
    && python3 -m pip --python /opt/position-monitor/bin/python3 install --require-hashes --only-binary :all: \
        --requirement "requirements/${DEPENDENCIES}.lock"

COPY LICENSE README.md pyproject.toml ./
COPY monitor monitor
RUN python3 -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && python3 -m pip --python /opt/position-monitor/bin/python3 install --no-index --no-deps wheels/*.whl \
    && find /opt/position-monitor/lib -type d \( -name tests -o -name SelfTest \) -prune -exec rm -r {} + \
    # What is compiled is not compared with its source again: nobody can write there, and no file's time is in it.
    && /opt/position-monitor/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/position-monitor/lib \
    && install --directory --mode=0700 root/data \
    && find /opt/position-monitor root -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +


FROM ${PYTHON_IMAGE}

ARG PYTHON_IMAGE
ARG REVISION=""
LABEL org.opencontainers.image.title="position-monitor" \
      org.opencontainers.image.description="Watches leveraged Binance futures positions and warns their owner while there is still time to act." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

# The official base comes without compiled files, and a container whose root is read-only could keep none: every
# health check would compile the standard library anew.
RUN ["python3", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-x", "/(ensurepip|idlelib|pydoc_data|site-packages|test|tkinter|turtledemo)/", "/usr/local/lib"]
COPY --from=build /opt/position-monitor /opt/position-monitor
# The directory above it, because only what is inside of one keeps its mode.
COPY --from=build --chown=10001:10001 /build/root /

# "container" is how a program learns that it is in one; see monitor/config/secret.py. No engine starts a container anew
# that stands still: it ends by itself after so many seconds of that. A variable, for CMD goes with the first argument.
ENV PATH=/opt/position-monitor/bin:/usr/local/bin:/usr/bin:/bin \
    POSITION_MONITOR_CONFIG=/etc/position-monitor/config.toml \
    POSITION_MONITOR_END_WHEN_STUCK=60 \
    STATE_DIRECTORY=/data \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    container=oci

VOLUME /data
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 \
    CMD ["/opt/position-monitor/bin/position-monitor", "healthcheck"]
ENTRYPOINT ["/opt/position-monitor/bin/position-monitor"]
CMD ["run"]
