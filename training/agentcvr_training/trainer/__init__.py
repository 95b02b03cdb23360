"""The trainers of TRL, with checkpoints, callbacks and curves."""
