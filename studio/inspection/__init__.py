"""Looking at one picture closely: opened pictures, layers over them, parts measured. No gradio, no torch."""
