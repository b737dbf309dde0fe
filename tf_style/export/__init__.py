"""Models for other programs: SavedModel and StableHLO.

Private to the package.
"""
