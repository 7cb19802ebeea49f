"""The commands, one module a subject. They import what they run inside the command, so that `--help` stays quick."""
