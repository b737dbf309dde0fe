"""The command line: the only code in the package that prints or exits.

Private to the package.
"""
