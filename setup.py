"""Packages the search, its TFX components and its pipeline; also what Beam workers install."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup

VERSION = "0.1.0"
ADDRESS = os.environ.get("X3D_PROJECT_URL", "").rstrip("/")  # of the repository; the release workflow knows its own

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
    "google-crc32c>=1.5",
    "scipy>=1.10",
    "setuptools<81",  # tensorboard imports pkg_resources, which later versions drop
]
VIDEO = ["av>=18,<19"]  # 18 gives reformat its threads; 19 drops metadata_errors of av.open
# The two TFX profiles (docs/guides/install.md). tfx 1.16's metadata stops at Python 3.10 though its compiled
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
PARITY = ["torch>=2", "torchvision", "pytorchvideo==0.1.5"]  # only scripts/parity.py; docs/guides/weights.md
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.5", "mkdocstrings[python]>=1"]  # the site; `make docs`
DEMO = ["scikit-learn>=1.3", *VIDEO]
TEST = ["pytest>=8", "import-linter>=2.3", "pytest-xdist>=3.6", "pytest-timeout>=2.3", "hypothesis>=6.100", "twine>=6.1", "psutil>=5.9",
        *DEMO, *DOCS]


def long_description():
    """README.md for a page outside the repository, where relative links lead nowhere.

    With an address they lead to the files of this version there. Without one a link becomes its text with the path, which
    the sdist has too, and pictures are left out.
    """
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    relative = r"\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)"
    if ADDRESS:
        text = re.sub("!" + relative, rf"![\1]({ADDRESS}/raw/v{VERSION}/\2)", text)
        return re.sub(relative, rf"[\1]({ADDRESS}/blob/v{VERSION}/\2)", text)
    text = re.sub("!" + relative + r"\n+", "", text)
    return re.sub(relative, lambda link: link[1] if link[1] == link[2] else f"{link[1]} ({link[2]})", text)


setup(
    name="x3d-search",
    version=VERSION,
    description="An expansion search for video networks: X3D on TFX, Beam, Keras Tuner and Keras",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="The authors of the X3D expansion search",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["X3D", "video classification", "action recognition", "architecture search", "Keras", "TFX"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: {version}" for version in ("3 :: Only", "3.10", "3.11", "3.12", "3.13")),
        "Topic :: Multimedia :: Video",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    project_urls={"Source": ADDRESS, "Changelog": f"{ADDRESS}/blob/v{VERSION}/CHANGELOG.md"} if ADDRESS else {},
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["expansion*", "components*", "pipeline*", "configs"]),
    package_data={"configs": ["*.yaml"], "expansion": ["paper.json"], "pipeline.report": ["*.j2"]},
    install_requires=CORE,
    extras_require={"tfx": TFX, "video": VIDEO, "demo": DEMO, "kubeflow": KUBEFLOW, "wandb": WANDB, "ray": RAY,
                    "notebooks": NOTEBOOKS, "parity": PARITY, "docs": DOCS, "test": TEST},
    entry_points={"console_scripts": ["x3d=pipeline.cli:main"]},
)
