# Serves an export on port 8080; see docs/how_to/serving.md.
#
#     docker build -t kerastl .
#     docker run --rm --read-only -p 8080:8080 -v "$PWD/saved_models/quickstart:/mnt/models:ro" kerastl
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY kerastl kerastl
RUN pip wheel --no-cache-dir --no-deps --wheel-dir=/wheels .

FROM python:3.11-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/kerastl-*.whl)[serve]" \
    && useradd --uid=10001 --no-create-home --home-dir=/nonexistent kerastl
# The root may be read-only.
ENV PYTHONDONTWRITEBYTECODE=1 PORT=8080
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["python", "-P", "-c", "\
import http.client; \
from kerastl.serving.platforms import find_port; \
server = http.client.HTTPConnection('127.0.0.1', find_port()[0], timeout=5); \
server.request('GET', '/healthz'); \
raise SystemExit(server.getresponse().status != 200)"]
# SageMaker appends the word `serve`. The shell gives way to the server, which gets the signals.
ENTRYPOINT ["/bin/sh", "-c", "[ \"$1\" != serve ] || shift; exec kerastl serve --host=0.0.0.0 \"$@\"", "serve"]
