"""From pictures to the solution: stages from coarse to fine, within time and memory.

Private to the package.
"""
