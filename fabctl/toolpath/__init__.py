"""What a tool point does: moves, their order, their time and what they leave of the stock."""
