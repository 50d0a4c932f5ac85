"""Written by `sdk/python/generate` from `openapi.json` and `catalog/`. Not to be edited."""
