"""What people would pick instead of a search, beside the search: at one cost of inference, one budget, on several data sets."""
