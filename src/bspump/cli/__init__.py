"""What is done on the command line besides running a program."""

__all__: list[str] = []
