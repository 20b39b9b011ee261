"""The only room that spells wire names: one module per protocol line, and one for the card."""
