"""VGG-19: its weights, its layers, and the Keras model that computes its features.

Private to the package.
"""
