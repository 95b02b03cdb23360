"""Train masters: warm start on demonstrations, then GRPO on graph trajectories. The library never imports this."""
