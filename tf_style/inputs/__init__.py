"""The pictures of a run: read, checked and brought to size. No TensorFlow here.

Private to the package.
"""
