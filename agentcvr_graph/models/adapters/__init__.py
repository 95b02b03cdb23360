"""Vision, audio and chat models over the interfaces of other libraries and servers; the providers return them."""
