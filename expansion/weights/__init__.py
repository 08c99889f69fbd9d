"""Weights of others: PyTorch's files read and written without PyTorch, public checkpoints, transfer."""
