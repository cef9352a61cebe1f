"""What docker-compose.temporal.yml is told: figures that fit a machine, and secrets."""
