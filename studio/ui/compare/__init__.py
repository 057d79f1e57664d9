"""The Compare tab: widgets in `tab`, what they do in `handlers`."""
