"""What the end-to-end tests stand on: the real binaries as processes, and a record of every byte between them.

The tests speak to Keystore only as its users do: with the `ks` command, and with the vendors' own clients through the
proxy. Nothing here imports Keystore or reads its database, except to prove what does not stand in it.
"""
