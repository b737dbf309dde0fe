"""TensorFlow graphs: tracing once for all sizes, gradients of our own, slots.

Private to the package.
"""
