"""The one error that a person is meant to read."""


class UserError(Exception):
    """One sentence that says what is wrong, where, and what to do; the command line prints it and exits with code 2."""
