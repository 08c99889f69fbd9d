"""What a person sees of a search: console, tables, figures, TensorBoard."""
