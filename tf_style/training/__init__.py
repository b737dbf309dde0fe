"""Trains style networks: photographs and paintings to a network that paints in one pass.

Private to the package; `tf_style.train_network` is its face.
"""
