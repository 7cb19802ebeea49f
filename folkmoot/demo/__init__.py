"""The demo: fictional councils of a fictional region, on real servers and real databases."""
