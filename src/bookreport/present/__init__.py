"""Everything printed: each module turns what the core returns into the text, documents and pages that users read."""
