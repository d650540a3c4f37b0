# One image for every service of docker-compose.yml. Classic Dockerfile syntax: it builds without BuildKit too.
FROM python:3.11-slim-bookworm AS build
# Address of PyTorch's CPU wheels; without it pip may take a build with several gigabytes of CUDA.
ARG TORCH_INDEX=
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
# Dependencies before the source, so that a change of code does not install them again.
COPY pyproject.toml constraints.txt LICENSE ./
RUN touch README.md && mkdir -p camembias/cli camembias/report train export batch explain_worker \
 && pip install -q --no-cache-dir -c constraints.txt ${TORCH_INDEX:+--index-url $TORCH_INDEX} torch \
 && pip install -q --no-cache-dir -c constraints.txt '.[train,export,batch,worker,report,monitor]' \
 && pip uninstall -q -y camembias \
 && rm -rf /opt/venv/lib/python3.11/site-packages/torch/include build *.egg-info
COPY . .
RUN pip install -q --no-cache-dir --no-deps -e . && rm -rf build

FROM python:3.11-slim-bookworm
# Read-only at run time: what changes lies in the volumes under /data.
RUN useradd --uid 10001 --create-home camembias \
 && mkdir -p /data/models /data/stores /data/reports /data/snapshots /data/inbox && chown -R camembias /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HUB_DISABLE_TELEMETRY=1 DO_NOT_TRACK=1 \
    CAMEMBIAS_MODEL=/data/models/default CAMEMBIAS_STORE=/data/stores/default
USER camembias
WORKDIR /data
CMD ["camembias", "--help"]
