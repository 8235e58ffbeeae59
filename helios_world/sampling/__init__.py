"""From noise to latents: the flow's rules, the solvers, guidance, the pyramid and the noise itself. Pure functions."""
