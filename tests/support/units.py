"""The options for losses in the paper's units, which the float64 programs of the paper compute."""

PAPER = {"relative_losses": False, "content_power": 1.0}
