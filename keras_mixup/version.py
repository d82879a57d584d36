"""The version: read here by the build, which must not import TensorFlow."""

__version__ = "0.2.0"
