"""Reads, checks and resizes the pictures of a run. No TensorFlow here.

Private to the package.
"""
