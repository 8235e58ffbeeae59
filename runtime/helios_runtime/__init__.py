"""What happens around a world: commands, pacing, input and measuring. Importing this loads nothing."""
