"""Demonstrations that look at random and read what they find: the demonstrators that the recipes share."""
