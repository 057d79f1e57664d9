"""Training in the studio: the form's settings, what it needs, the run as a job, its curves and samples."""
