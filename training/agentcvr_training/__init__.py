"""Training of masters: scripts by a chat model (`synthesis`). Imports the library; the library never imports this."""
