"""What a charter could say, from names and from what was counted over sampled values. Pure."""
