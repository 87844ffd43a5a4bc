"""`python -m stealthrl_tui` is the `stealthrl-tui` command."""

from stealthrl_tui.cli import program

if __name__ == "__main__":
    program()
