"""The commands of `x3d`, each in a module of its name: its options and what it does."""
