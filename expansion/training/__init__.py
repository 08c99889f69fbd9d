"""Training: records and clips, the recipe, one fit with its checkpoints, several devices."""
