"""TRL's trainers, extended, with checkpoints, callbacks and curves."""
