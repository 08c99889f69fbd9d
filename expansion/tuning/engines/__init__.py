"""Where candidates are trained: in this process, in child processes of this machine, or on a Ray cluster."""
