"""What outsiders check the ledger with: files that stand alone and import nothing of ours. Kept in
a folder of their own, so that a file run in place meets no module of ours under a library's name.
"""
