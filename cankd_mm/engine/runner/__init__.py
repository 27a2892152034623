"""How a training run takes its work dir and finds its checkpoints."""
