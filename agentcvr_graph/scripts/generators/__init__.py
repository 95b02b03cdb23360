"""Script generators: `procedural` needs no model, `llm` asks a chat model."""
