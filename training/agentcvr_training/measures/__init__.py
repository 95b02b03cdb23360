"""Measures of where a master looks and what that is worth: accuracy over budgets, decisive seconds, adaptivity."""
