"""Other model servers around the same network, as their own guides say."""
