"""What everything else stands on: errors, settings, files, child processes, imports."""
