"""Instruction data written by a model, from seeds of people: `growing.py: grow` (docs/growing.md)."""
