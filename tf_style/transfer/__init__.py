"""`stylize`: from pictures to the finished result, with progress and checkpoints.

Private to the package.
"""
