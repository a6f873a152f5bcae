# An image that runs the tap every day with Meltano: docs/daily.md, "A container".
# Credentials and state are given to it when it runs.
FROM python:3.13-slim
RUN pip install --no-cache-dir 'meltano~=4.4' 'uv>=0.8'
COPY --chown=1000:1000 . /project
WORKDIR /project
USER 1000
ENV HOME=/project UV_NO_CACHE=1 MELTANO_STATE_BACKEND_URI=file:///project/state
RUN mkdir -p state && meltano install tap-cobrowser target-postgres
ENTRYPOINT ["meltano"]
CMD ["--log-level=warning", "run", "tap-cobrowser", "target-postgres"]
