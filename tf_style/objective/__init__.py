"""The loss of an image given its targets, and the gradient.

Private to the package.
"""
