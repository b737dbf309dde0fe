"""The objective in forward operations only, and its files for other runtimes.

Private to the package.
"""
