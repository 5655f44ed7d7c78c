"""What builds and serves the documentation: the extra ``serve``; `command` alone needs the extra ``cli``."""
