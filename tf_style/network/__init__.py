"""VGG-19: its weights, its layers and the Keras model of its features.

Private to the package.
"""
