"""What the command ``reference-ws`` runs. It stands outside of the package: Ctrl-C may come while that is imported."""

import sys


def main() -> None:
    """Run the command; 130 is the exit code that Ctrl-C has everywhere."""
    try:
        from reference_ws.guide.command import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)
