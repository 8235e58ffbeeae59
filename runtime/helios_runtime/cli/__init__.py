"""The command line, `helios-world`. One file per command; what is heavy is imported when a command runs."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `helios-world` script."""
    from helios_runtime.cli.app import app

    app()
