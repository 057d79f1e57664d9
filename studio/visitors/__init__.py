"""What a visitor of a public host may ask for. Who they are is `studio.ui.visitors`."""
