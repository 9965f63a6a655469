"""Training in several processes: rendezvous, heartbeat, and the launchers of clusters."""
