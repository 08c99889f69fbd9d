"""Accuracy over the number of training videos, from a few of a class on, by group-wise cross-validation. See __main__."""
