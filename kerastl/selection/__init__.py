"""What features say before a network is trained on them: labels, backbones, settings."""
