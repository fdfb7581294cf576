"""The commands, one module a noun, over the API's client."""
