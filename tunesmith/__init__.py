"""Fine-tune language models, and know what the tuning was worth."""

__version__ = "0.1.0"
