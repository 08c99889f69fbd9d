"""The network in Keras: layers, blocks, head, and its forward passes."""
