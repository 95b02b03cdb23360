"""Training configuration: one YAML file, checked completely before weights are loaded."""
