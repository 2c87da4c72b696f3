"""Packaging: what kerastl needs, from the lowest versions tried to below the next major ones.

scripts/check_versions runs the tests on the lower bounds, and on the newest versions.
"""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'VERSION = "(.+)"', (HERE / "kerastl/version.py").read_text("utf-8"))[1]
_LITERT = ["ai-edge-litert>=1.2,<3", "flatbuffers>=24.3.25,<26"]
# Older versions of tf2onnx need a protobuf that TensorFlow no longer takes.
_ONNX = ["onnx>=1.17,<2", "onnxruntime>=1.20,<2", "tf2onnx>=1.17,<2"]
# Older ones lack some of the networks. It needs Keras 3.15.
_HUB = ["keras-hub>=0.32,<1"]
_SERVE = [
    "prometheus-client>=0.21,<1",
    "python-multipart>=0.0.18,<0.1",
    "starlette>=0.41.3,<2",
    "uvicorn>=0.32,<1",
]
# mkdocs 2 is another program, which knows none of these plugins.
_DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.6,<10",
    "mkdocstrings[python]>=0.30,<2",
    "ruff>=0.11,<1",  # Breaks the lines of signatures.
]
# scripts/check and .ci/run run these, whose newer versions may find other things.
_PINNED = [
    "build==1.6.1",
    "codespell==2.4.3",
    "mypy==2.4.1",
    "pytest==9.2.0",
    "ruff==0.17.6",
    "twine==7.0.0",
]
# axe-core-python has the accessibility checker as a file and needs nothing.
_TEST = [
    *("axe-core-python>=0.1,<1", "pytest>=8.3,<10", "pytest-xdist>=3.6.1,<4", "PyYAML>=6.0,<7"),
    *_HUB,
    *_LITERT,
    *_ONNX,
    *_SERVE,
]

setup(
    name="kerastl",
    version=VERSION,
    description="Transfer learning for images: from labeled pictures to a model that serves",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    project_urls={"PyPI": "https://pypi.org/project/kerastl/"},
    keywords=["transfer learning", "image classification", "keras", "tensorflow"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        # Newer ones are accepted, but were not tried.
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["kerastl", "kerastl.*"]),
    package_data={
        "kerastl": ["py.typed"],
        "kerastl.model": ["bundled.weights.h5"],
        "kerastl.model.sources": ["hub_presets.txt"],
        "kerastl.report": ["page.html"],
        "kerastl.serving": ["openapi.json", "drop_page.html"],
    },
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=2.1,<3",
        "h5py>=3.12.1,<4",
        "ImageHash>=4.3.2,<5",
        # TensorFlow Datasets 4.9.10 needs this to prepare data and does not declare it.
        "importlib_resources>=6.4.1,<8",
        "jinja2>=3.1,<4",
        "keras>=3.11,<4",
        "keras-tuner>=1.4.7,<2",
        "matplotlib>=3.10,<4",
        "numpy>=2.0,<3",
        "pillow>=11.0,<14",
        # TensorFlow Datasets imports what was compiled for it, and declares less.
        "protobuf>=6.31.1,<8",
        "pyarrow>=18.0,<27",
        "scikit-learn>=1.6,<2",
        "scipy>=1.14,<2",
        # tf.summary needs it, and TensorFlow 2.21 no longer installs it.
        "tensorboard>=2.20,<3",
        "tensorflow>=2.20,<3",
        "tensorflow-datasets>=4.9.8,<5",
        "threadpoolctl>=3.5,<4",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.20,<3"],
        "hub": _HUB,
        "litert": _LITERT,
        "onnx": _ONNX,
        "serve": _SERVE,
        "docs": _DOCS,
        "test": _TEST,
        "dev": [*_DOCS, *_TEST, *_PINNED],
    },
    entry_points={"console_scripts": ["kerastl=kerastl.commands.table:main"]},
)
