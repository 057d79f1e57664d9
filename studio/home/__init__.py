"""Where the studio lives: settings, folders and locks, the database, files written whole. Standard library only."""
