"""The test error over the number of parameters, and its second descent."""
