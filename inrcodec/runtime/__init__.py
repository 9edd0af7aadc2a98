"""The machine: devices, threads, processes, and files that appear complete or not at all."""
