"""What stands behind the seam: tantivy. Outside, the other engine takes words apart as it does, and no one else."""
