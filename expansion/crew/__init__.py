"""A search shared by several processes: one decides, any number train, on this machine and others, through a folder."""
