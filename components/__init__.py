"""TFX components: video ingestion, the expansion search and what the pipeline needs of its own."""
