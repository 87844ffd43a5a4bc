"""A local Tinker service and sample runs, for the demo and the tests."""
