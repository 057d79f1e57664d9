"""Changes to how a stock pipeline draws: positions, speed, coarse first."""
