"""What builds and serves the documentation; needs the extra ``reference-ws[serve]``."""
