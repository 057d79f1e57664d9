"""A render from request to kept picture: as a job of the worker, or in place for the command line."""
