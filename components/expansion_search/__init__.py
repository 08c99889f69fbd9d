"""The expansion search as a TFX component."""
