"""What people look at: terminal, tables, figures, TensorBoard, Weights & Biases."""
