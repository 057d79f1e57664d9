"""What is known of one picture: settings, metrics, record."""
