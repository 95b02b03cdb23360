"""Other training engines: run the graph on their sampler and hand them rows with ids, mask and reward."""
