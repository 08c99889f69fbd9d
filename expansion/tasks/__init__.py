"""What is learnt from a video: its labels, its score, and the test that tells two networks apart. Plain Python, no TensorFlow."""
