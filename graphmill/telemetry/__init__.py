"""What runs says what it does: traces (OpenTelemetry), logs, and the ids that both have."""
