"""Trains style networks: photographs and paintings to a network that paints in one pass.

Private to the package; `tf_style.feedforward.train` is its face.
"""
