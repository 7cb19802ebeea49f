# One image for both roles: `folkmoot node serve` and `folkmoot aggregator serve`.
# The steps are scripts/install.sh and requirements.txt, the very ones of `make demo`; the tests need no container
# engine, and CI proves these steps on every change.

FROM python:3.13-slim AS build
WORKDIR /app
COPY . .
RUN scripts/install.sh requirements.txt
# The server may not write beside its code, and would compile it at each start.
RUN .venv/bin/python -m compileall -q api exchange federation folkmoot insight migrations schema

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Folkmoot" org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --create-home --home-dir /data folkmoot
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FOLKMOOT_DATA_DIR=/data \
    FOLKMOOT_HOST=0.0.0.0 \
    FOLKMOOT_PORT=8000 \
    FOLKMOOT_LOG_FORMAT=json
USER folkmoot
# A folkmoot.toml in the volume is read; the code stays read-only.
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "/app/scripts/healthy.py"]
ENTRYPOINT ["folkmoot"]
CMD ["node", "serve"]
