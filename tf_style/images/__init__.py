"""Pictures in and out, resizing and color.

Private to the package.
"""
