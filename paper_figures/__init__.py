"""Tables and figures, one file each: records in, files out. Nothing here trains."""
