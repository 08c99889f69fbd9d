"""The error of use, shared by all packages."""


class InputError(ValueError):
    """An error of use: one line that names the thing and what is allowed."""
