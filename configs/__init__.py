"""The configurations that come with the project; pipeline.config.shipped finds them."""
