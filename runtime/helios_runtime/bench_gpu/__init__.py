"""What the official model costs on one machine: ours beside diffusers', with random weights and without a download.

A run is a list of parts, each on its own: one that fails or that the time is too short for is named, and the others go
on. `sizes` and `models` say what is measured, `reference` is diffusers' side, `run` the list, `tables` the report.
"""
