"""TensorFlow graphs: one trace for all sizes, custom gradients, and slots.

Private to the package.
"""
