"""Training of embedded worlds from the lands."""
