"""`python -m tunesmith` is `tunesmith`."""

from tunesmith.cli import main

main()
