# The service: API, workers and commands in one image; which of them runs is the command's to say.
# Built from a checkout, since `workflows`, `activities`, `workers` and `api` are names that others
# have on PyPI.

# The Python that the tests run on (3.11): what is locked was never tried on another.

# With compilers, for the one wheel that ARM has none of; nothing of this stage stays but the venv.
FROM python:3.11.15-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/graphmill
ENV PATH=/opt/graphmill/bin:$PATH
# What is locked first: it changes seldom, and the layer stays.
COPY requirements-image.lock ./
RUN pip install --require-hashes -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY graphmill graphmill
COPY workflows workflows
COPY activities activities
COPY workers workers
COPY api api
# setuptools is in the lock: nothing is fetched to build with. And nothing that it needs is missing.
RUN pip install --no-build-isolation --no-deps . && pip check

FROM python:3.11.15-slim-bookworm
# Of a number, not a name: an orchestrator sees by it that this is not root.
RUN groupadd --gid 10001 graphmill \
    && useradd --uid 10001 --gid graphmill --no-create-home --home-dir /tmp --shell /usr/sbin/nologin graphmill \
    # What named volumes are laid over: a fresh one takes over whose folder it covers.
    && install --directory --owner graphmill --group graphmill --mode 0750 /var/lib/graphmill/keys /var/lib/graphmill/uploads \
    # Anybody may look for graphmill.toml here: an export runs as whoever is to own its files.
    && install --directory --mode 0755 /srv/graphmill
COPY --from=build /opt/graphmill /opt/graphmill
ENV PATH=/opt/graphmill/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/graphmill
USER 10001:10001
CMD ["graphmill", "--help"]
