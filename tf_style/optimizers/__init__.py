"""Minimizers of any function of one tensor. They know nothing of images.

Private to the package.
"""
