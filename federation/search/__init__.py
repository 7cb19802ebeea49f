"""What stands behind the seam: tantivy. Nothing outside this folder and `tantivy_index.py` knows of it."""
