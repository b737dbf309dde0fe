"""Losses: pure functions of features or of the image.

Private to the package.
"""
