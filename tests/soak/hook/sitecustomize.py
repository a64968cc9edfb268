"""Python imports this when it begins, where this folder is on its path."""

import moments

moments.begin()
