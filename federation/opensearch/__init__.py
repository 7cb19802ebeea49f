"""What stands behind the seam when an index outgrows a machine: OpenSearch (docs/opensearch.md)."""
