"""The three stages that Helios is trained in: base, mid and distill, for transformers of any size."""
