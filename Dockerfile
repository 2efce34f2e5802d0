# syntax=docker/dockerfile:1
#
# docker build -t best-image-models .
# docker run --rm -p 127.0.0.1:8501:8501 -e BENCH_PUBLISHED_TO_LOOPBACK=1 \
#     -v best-image-models-runs:/app/data/runs best-image-models
#
# BENCH_PUBLISHED_TO_LOOPBACK=1 is your word that -p publishes to 127.0.0.1 alone, which cannot be seen
# from inside: without it, or sign-in, the page shows results and does not start benchmarks.
#
# With --gpus all (NVIDIA container runtime) the GPUs can be measured; without it the CPU is. A CPU
# alone needs no CUDA (some GB less): build with --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index>.

FROM python:3.12-slim

# g++: torch.compile compiles what it generates. tini: the first process of a container must collect
# finished benchmark runs, which outlive the page that started them; Streamlit does not.
# Debian keeps one version of each at a time, so a pinned one would soon fail to install.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ tini \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app

# The packages before the program: a change of the program reuses this layer.
ARG PIP_EXTRA_INDEX_URL
COPY requirements.txt constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip install --disable-pip-version-check -r requirements.txt

COPY LICENSE NOTICE README.md app.py ./
COPY .streamlit/config.toml .streamlit/
COPY bench bench
COPY pages pages
COPY data data

# The program belongs to root and cannot change itself; runs are what this user may write, and the
# locks that keep two of them off one device. A volume mounted on either belongs to this user as well.
RUN useradd --create-home --uid 1000 bench \
    && install --directory --owner=bench data/runs \
    && install --directory --owner=bench --mode=0700 /locks /state
USER 1000
VOLUME /app/data/runs

# Every address inside the container, where 127.0.0.1 cannot be reached from outside: who reaches the
# page is decided by `-p`, and 127.0.0.1: there keeps it to this machine. Without a browser address
# Streamlit asks the internet for its own.
ENV PYTHONUNBUFFERED=1 \
    BENCH_LOCKS=/locks \
    BENCH_STATE=/state \
    STREAMLIT_BROWSER_SERVER_ADDRESS=localhost \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_SERVER_PORT=8501 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8501, timeout=4); c.request('GET', '/_stcore/health'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "streamlit", "run", "app.py"]
