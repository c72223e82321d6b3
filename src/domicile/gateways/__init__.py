"""The only ways across a boundary: each asks the policy, and records before it gives."""
