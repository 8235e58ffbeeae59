"""From noise to latents: the flow's rules, the three-stage pyramid and the noise itself. Pure functions."""
