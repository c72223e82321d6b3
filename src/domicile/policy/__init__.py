"""Who may: staff, purposes, Cedar policies, requests and grants."""
