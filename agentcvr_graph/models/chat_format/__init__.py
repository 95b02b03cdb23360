"""How chat templates write messages and tool calls, and how to read back what a model wrote."""
