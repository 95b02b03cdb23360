"""Scripts from real videos: what an extraction says of each video, and questions about several of them."""
