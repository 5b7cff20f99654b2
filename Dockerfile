# Waggle in one image: the pinned dependencies and the source; no build tools, no root.
#
#   docker build -t waggle .
#   docker run -p 127.0.0.1:8000:8000 -e WAGGLE_PUBLIC_URL=http://127.0.0.1:8000 -v waggle:/data waggle
#
# BASE is any image with Python 3.11 or later and its venv module.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
COPY requirements.lock /tmp/
RUN python3 -m venv /opt/waggle && \
    /opt/waggle/bin/python -m pip --disable-pip-version-check install --quiet --no-cache-dir --no-input \
        --no-deps --require-hashes --requirement /tmp/requirements.lock && \
    /opt/waggle/bin/python -m pip uninstall --quiet --yes pip
COPY src /opt/waggle/src
# Compiled here, because the user that runs the server cannot write.
RUN /opt/waggle/bin/python -m compileall -q /opt/waggle/src && \
    /opt/waggle/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > /tmp/packages && \
    echo /opt/waggle/src > "$(cat /tmp/packages)/waggle.pth"

FROM ${BASE}
RUN groupadd --gid 10001 waggle && \
    useradd --uid 10001 --gid waggle --no-create-home --home-dir /data --shell /usr/sbin/nologin waggle && \
    install -d -o waggle -g waggle -m 0700 /data
COPY --from=build /opt/waggle /opt/waggle
COPY LICENSE /opt/waggle/
ENV PATH=/opt/waggle/bin:/usr/local/bin:/usr/bin:/bin \
    WAGGLE_HOST=0.0.0.0 \
    WAGGLE_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", \
    "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/readyz\", timeout=2)"]
ENTRYPOINT ["python", "-P", "-m", "entrypoints.cli"]
CMD ["serve"]
