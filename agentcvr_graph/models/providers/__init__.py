"""Model providers: one file each, listed in `registry.PROVIDERS`."""
