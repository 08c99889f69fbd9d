"""What decides: axes, costs, selection, the steps and the state of a search. Plain Python, no TensorFlow."""
