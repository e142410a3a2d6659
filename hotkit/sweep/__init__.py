"""Sweeps: what is planned, carried out on hosts, gone on with, read again; run.py is the story."""
