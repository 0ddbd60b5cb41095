"""The network run again from one layer on."""
