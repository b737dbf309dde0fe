"""The provenance that a picture file carries: how it was made.

Private to the package.
"""
