"""The studio itself, room by room. Only `studio.ui` knows Gradio."""
