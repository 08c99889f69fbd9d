"""The folder of a run, and what can be read from it."""
