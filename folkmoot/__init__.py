"""The roof: settings, wiring, command line, demo."""

__version__ = "0.1.0"
