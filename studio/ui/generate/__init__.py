"""The Generate tab: widgets in `tab`, what they do in `handlers`."""
