"""The benchmark in the Compare tab: what is drawn and measured, its table, and blind duels."""
