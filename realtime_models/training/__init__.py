"""Data, losses, training, scoring: everything that makes and judges the weights. Imported by nobody outside it."""
