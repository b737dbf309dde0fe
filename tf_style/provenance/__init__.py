"""What a picture says about its making.

Private to the package.
"""
