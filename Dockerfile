# The image that every component of a compiled pipeline runs in (docs/guides/cluster.md).
# docker build -t IMAGE .        with --build-arg GPU=1 for TensorFlow's CUDA libraries
FROM python:3.11-slim-bookworm

WORKDIR /x3d
COPY . .
RUN python3 scripts/install.py
ARG GPU=0
RUN if [ "$GPU" = 1 ]; then \
        python3 scripts/get_uv.py pip install --python .venv 'tensorflow[and-cuda]==2.16.2'; \
    fi
# Kubeflow starts a component with `python -m tfx...`.
ENV PATH=/x3d/.venv/bin:$PATH
ENTRYPOINT ["x3d"]
