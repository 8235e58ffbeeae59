"""Videos scored in the format of HeliosBench. `bench.run` does it all."""
