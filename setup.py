"""Packages the search, its TFX components and its pipeline; also what Beam workers install."""

from setuptools import find_packages, setup

CORE = [
    "tensorflow>=2.16.1",
    "keras>=3.5",
    "keras-tuner>=1.4.7",
    "numpy>=1.24",
    "pydantic>=2.5",
    "PyYAML>=6",
    "rich>=13",
    "typer>=0.12",
    "tensorboard",
    "matplotlib>=3.8",
    "jinja2>=3",
    "fsspec>=2023.1",
    "scipy>=1.10",
    "setuptools<81",  # tensorboard imports pkg_resources, which later versions drop
]
VIDEO = ["av>=18,<19"]  # 18 gives reformat its threads; 19 drops metadata_errors of av.open
# The two TFX profiles (docs/install.md). tfx 1.16's metadata stops at Python 3.10 though its compiled
# parts ship 3.11 wheels: pip refuses it on 3.11, uv, which takes upper bounds as advice, installs it.
TFX = [
    'tfx>=1.16,<1.17; python_version < "3.12"',
    'apache-beam>=2.60,<2.69; python_version < "3.12"',  # 2.69 drops dill, which tfx-bsl 1.16 needs
    'tfx>=1.21,<1.22; python_version >= "3.12"',
    *VIDEO,
]
KUBEFLOW = ["kfp>=2.7"]  # compiles the pipeline for Kubeflow Pipelines and Vertex AI
WANDB = ["wandb>=0.16"]
RAY = ["ray>=2.52"]  # candidates on several machines; 2.52 is the first with token authentication
NOTEBOOKS = ["nbclient>=0.9", "nbformat>=5", "ipykernel>=6", "ipython>=7"]
PARITY = ["torch>=2", "torchvision", "pytorchvideo==0.1.5"]  # only scripts/parity.py; docs/weights.md
DEMO = ["scikit-learn>=1.3", *VIDEO]
TEST = ["pytest>=8", "pytest-xdist>=3.6", "pytest-timeout>=2.3", "hypothesis>=6.100", *DEMO]

setup(
    name="x3d-search",
    version="0.1.0",
    description="An expansion search for video networks: X3D on TFX, Beam, Keras Tuner and Keras",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["expansion*", "components*", "pipeline*", "configs"]),
    package_data={"configs": ["*.yaml"], "expansion": ["paper.json"], "pipeline.report": ["*.j2"]},
    install_requires=CORE,
    extras_require={"tfx": TFX, "video": VIDEO, "demo": DEMO, "kubeflow": KUBEFLOW, "wandb": WANDB, "ray": RAY,
                    "notebooks": NOTEBOOKS, "parity": PARITY, "test": TEST},
    entry_points={"console_scripts": ["x3d=pipeline.cli:main"]},
)
