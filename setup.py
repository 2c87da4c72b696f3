"""Packaging: what kerastl needs, from the lowest versions tried to below the next major ones."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'VERSION = "(.+)"', (HERE / "kerastl/version.py").read_text("utf-8"))[1]
_LITERT = ["ai-edge-litert>=2.3,<3", "flatbuffers>=24.3.25,<26"]
_ONNX = ["onnx>=1.23,<2", "onnxruntime>=1.32,<2", "tf2onnx>=1.17,<2"]
_SERVE = [
    "prometheus-client>=0.26,<1",
    "python-multipart>=0.0.34,<0.1",
    "starlette>=1.10,<2",
    "uvicorn>=0.54,<1",
]
_TEST = ["pytest>=9.2", "pytest-xdist>=3.8", *_LITERT, *_ONNX, *_SERVE]

setup(
    name="kerastl",
    version=VERSION,
    description="Transfer learning for images: from labeled pictures to a model that serves",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    url="https://pypi.org/project/kerastl/",
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
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["kerastl", "kerastl.*"]),
    package_data={
        "kerastl": ["py.typed"],
        "kerastl.model": ["bundled.weights.h5"],
        "kerastl.serving": ["page.html"],
    },
    python_requires=">=3.11",
    install_requires=[
        "absl-py>=2.5,<3",
        "h5py>=3.14,<4",
        "ImageHash>=4.3.2,<5",
        # TensorFlow Datasets 4.9.10 needs this to prepare data and does not declare it.
        "importlib_resources>=7.1,<8",
        "keras>=3.15,<4",
        "keras-tuner>=1.4.8,<2",
        "matplotlib>=3.11,<4",
        "numpy>=2.4,<3",
        "pillow>=13.0,<14",
        "pyarrow>=26.0,<27",
        "scikit-learn>=1.9,<2",
        "scipy>=1.17,<2",
        # tf.summary needs it, and TensorFlow 2.21 no longer installs it.
        "tensorboard>=2.21,<3",
        "tensorflow>=2.21,<3",
        "tensorflow-datasets>=4.9.10,<5",
        "threadpoolctl>=3.6,<4",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21,<3"],
        "litert": _LITERT,
        "onnx": _ONNX,
        "serve": _SERVE,
        "test": _TEST,
        "dev": [*_TEST, "mypy==2.4.1", "pytest==9.2.0", "ruff==0.17.6"],
    },
    entry_points={"console_scripts": ["kerastl=kerastl.commands.table:main"]},
)
