"""Training in several processes: process group, rendezvous, heartbeat and cluster launchers."""
