"""Rows that are kept elsewhere: in files, in arrays on disk, or on a cluster; read in parts."""
