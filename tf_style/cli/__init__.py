"""The command line. The only code that prints or exits.

Private to the package.
"""
