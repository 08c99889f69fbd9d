"""What is measured: the search against noise, against peers."""
