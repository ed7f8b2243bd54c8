"""``python -m isthmus``: the command line, where the command itself is not on the path."""

from isthmus.cli import main

if __name__ == "__main__":
    main(prog_name="isthmus")
