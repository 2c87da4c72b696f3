"""Packaging: what kerastl needs, with the lowest versions that it was tried with."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'VERSION = "(.+)"', (HERE / "kerastl/version.py").read_text("utf-8"))[1]
_LITERT = ["ai-edge-litert>=2.3"]
_ONNX = ["onnx>=1.23", "onnxruntime>=1.32", "tf2onnx>=1.17"]
_SERVE = [
    "prometheus-client>=0.26",
    "python-multipart>=0.0.34",
    "starlette>=1.10",
    "uvicorn>=0.54",
]
_TEST = ["pytest>=9.2", "pytest-xdist>=3.8", *_LITERT, *_ONNX, *_SERVE]

setup(
    name="kerastl",
    version=VERSION,
    description="Transfer learning for images: from labelled pictures to a model that serves",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["kerastl", "kerastl.*"]),
    package_data={
        "kerastl.model": ["bundled.weights.h5"],
        "kerastl.serving": ["page.html"],
    },
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=2.5",
        "h5py>=3.14",
        "ImageHash>=4.3.2",
        # TensorFlow Datasets 4.9.10 needs this to prepare data and does not declare it.
        "importlib_resources>=7.1",
        "keras>=3.15",
        "keras-tuner>=1.4.8",
        "numpy>=2.4",
        "pillow>=13.0",
        "platformdirs>=4.3",
        "pyarrow>=26.0",
        "scikit-learn>=1.9",
        "scipy>=1.17",
        # tf.summary needs it, and TensorFlow 2.21 no longer brings it.
        "tensorboard>=2.21",
        "tensorflow>=2.21",
        "tensorflow-datasets>=4.9.10",
        "threadpoolctl>=3.6",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21"],
        "litert": _LITERT,
        "onnx": _ONNX,
        "serve": _SERVE,
        # Its fonts are what tools/pretrain_bundled.py draws letters of.
        "tools": ["matplotlib>=3.11"],
        "test": _TEST,
        "dev": [*_TEST, "mypy==2.4.1", "pytest==9.2.0", "ruff==0.17.6"],
    },
    entry_points={"console_scripts": ["kerastl=kerastl.commands.table:main"]},
)
