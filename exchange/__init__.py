"""Other people's formats in and out: bytes and our records, no database and no network."""
