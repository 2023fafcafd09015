"""The routes of the REST API, a module for each thing that they are about."""
