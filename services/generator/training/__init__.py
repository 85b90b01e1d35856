"""Training of a generator: settings, data, the resumable loop, its checkpoints and sample sheets."""
