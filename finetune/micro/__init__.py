"""How the bundled model Micro-4K was made: scenes, captions, codec, transformer. Not in the wheel."""
