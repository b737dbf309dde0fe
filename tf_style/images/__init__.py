"""Reading, writing, resizing and recoloring pictures.

Private to the package.
"""
