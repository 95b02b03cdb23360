"""Write messages and tool calls for chat templates, and parse what a model wrote."""
