"""The studio itself: jobs, rendering, gallery, command line. Only `studio.ui` knows Gradio."""
