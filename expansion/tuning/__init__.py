"""A search that runs: the tuner, its oracle, trials and the processes that train them."""
