"""Definitions as files: YAML 1.2 read with places, typed with every fault named."""
