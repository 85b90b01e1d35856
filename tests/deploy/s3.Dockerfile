# An S3 server for checks where no registry can be reached: moto's. It keeps everything in memory.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /tmp
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt "moto[s3,server]"
USER 10001
EXPOSE 8333
# The arguments that the compose file has for its own server are not for this one.
ENTRYPOINT ["sh", "-c", "exec moto_server -H 0.0.0.0 -p 8333"]
