"""Entry point for tools that still ask for setup.py; every fact is in pyproject.toml."""

from setuptools import setup

setup()
