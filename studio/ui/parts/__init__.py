"""Parts of the page that more than one tab shows, each with its scripts and styles."""
