"""Exports for programs without Python: one SavedModel, or StableHLO programs, of a config.

Private to the package.
"""
