"""The lands: a small first-person game of our own, the ground truth behind `nano`."""
