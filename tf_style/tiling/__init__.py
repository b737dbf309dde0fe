"""The objective computed in tiles, for images whose features do not fit into memory.

Private to the package.
"""
