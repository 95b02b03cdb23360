"""What the clients of model servers share: keys, connections, and the meaning of their errors."""
