"""Labelled videos to TFRecords of JPEG frames. `component` holds the TFX side; everything else works without TFX."""
